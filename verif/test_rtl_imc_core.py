# SPDX-License-Identifier: Apache-2.0
"""The in-memory-computing core in Verilator against the golden op."""

import random

import pytest
import torch
from amaranth.back.verilog import convert

from spikeloom.models.golden.imc_core import IMCCore as Golden
from spikeloom.models.golden.imc_engine import Reading
from spikeloom.models.golden.plif import LIF, plif
from spikeloom.rtl.config import CrossbarConfig
from spikeloom.rtl.imc.imc_core import IMCCore
from spikeloom.verif.build import QUICK_BUILD, Design
from spikeloom.verif.crossbar_traffic import as_table, random_image, sign_words
from spikeloom.verif.mutants_imc import CONFIG
from spikeloom.verif.runner import Run, run_bench


def test_bench():
    run_bench(Run(unit="imc_core", config=CONFIG, bench="tb_imc_core",
                  tests="^(?!.*reads_built_in)"))


def test_built_in_tables():
    images = [random_image(random.Random(tile), CONFIG, tile) for tile in range(CONFIG.tiles)]
    tables = [as_table(image, CONFIG).tolist() for image in images]
    neurons = [(3 * output - 9, 11 - output) for output in range(CONFIG.outputs)]
    unit = IMCCore(CONFIG, tables, [sign_words(image) for image in images], neurons)
    verilog = "\n".join(convert(module, name=name, emit_src=False) for name, module in (
        ("imc_core", unit), *unit.shared.items()))
    run_bench(Run(unit="imc_core", config=CONFIG, bench="tb_imc_core", tests="reads_built_in",
                  design=Design(top="imc_core", verilog=verilog, arguments=QUICK_BUILD),
                  parameters={"tables": tables, "neurons": neurons,
                              "signs": [image.negative.tolist() for image in images]}))


@pytest.mark.parametrize("reading, timesteps", [(Reading(), 3), (Reading(lanes=2), 2),
                                                (Reading(planes=True, signed=True), 3)])
def test_golden_is_the_engine_and_the_neuron(reading, timesteps):
    config = CrossbarConfig(rows=18, columns=32, adc_bits=8, timesteps=3, beat_values=6)
    core = Golden(config, [random_image(random.Random(3), config)])
    words = torch.randint(8, (5, 18))
    bias, threshold = torch.tensor([1, -2, 3, 4]), torch.tensor([50, 60, 0, 70])
    psums = core.run(words, reading)
    spikes = core.fire(words, bias, threshold, LIF(), reading)
    assert spikes.shape == (timesteps, 5, 4) and 0 < spikes.sum() < spikes.numel()
    assert torch.equal(spikes, plif(torch.stack([psums[t % len(psums)] for t in range(timesteps)]),
                                    bias, threshold, LIF()))
