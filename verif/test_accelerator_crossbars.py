# SPDX-License-Identifier: Apache-2.0
"""Whole networks on the crossbars of the whole accelerator: every value of every layer."""

from dataclasses import replace

import pytest

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.crossbars import on_crossbars
from spikeloom.models.golden.conductance import Device
from spikeloom.rtl.config import AcceleratorConfig, CrossbarConfig
from spikeloom.verif.program_run import run_program
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, random_images
from spikeloom.verif.verilator_transport import BusTiming, VerilatorTransport

CROSSBAR = CrossbarConfig(  # a chunk lies across two macros
    rows=54, columns=48, cell_bits=2, fraction_bits=3, adc_shift=3, adc_bits=6, weight_bits=6,
    tiles=4, timesteps=3, beat_values=2, columns_per_adc=4, counter_bits=32)
CONFIG = AcceleratorConfig(
    timesteps=3, chunk=8, weight_bits=6, tppes=3, laggy_adders=2, beat_values=2, max_fan_in=512,
    memory_bits=32, max_columns=32, weight_buffer_beats=1024, burst_words=4, guard_bits=8,
    match_fifo_depth=2, column_fifo_depth=2, fetch_depth=2, crossbar=CROSSBAR)
DEVICE = Device(sigma=0.1, stuck_low=0.01, stuck_high=0.01, offset_sigma=3.0, seed=5)
TIMINGS = {"fast": BusTiming(latency=2), "slow": BusTiming(latency=30, pace=100, stall=60)}


@pytest.mark.parametrize("encoding, columns, timing, name, layers", [
    ("differential", 48, "fast", "residuals", ("b", "out")),
    ("differential", 48, "slow", "two_sources", ("a", "c", "out")),
    ("offset", 24, "fast", "integers", "all"),
    pytest.param("sign", 24, "fast", "integers", "all", marks=pytest.mark.long)])
def test_network(encoding, columns, timing, name, layers):
    """Layers on crossbars and on the array by turns, of real cells."""
    config = replace(CONFIG, crossbar=replace(CROSSBAR, encoding=encoding, columns=columns))
    network = on_crossbars(RANDOM_NETWORKS[name](RandomWeights(7), config.timesteps), config,
                           layers, DEVICE)
    program = compile_network(network, config, keep_all=True)
    engines = {step.name: "loas" if step.engine == "elements" else step.engine
               for step in program.manifest.steps[1:]}
    assert "crossbar" in engines.values()
    with VerilatorTransport(config, timing=TIMINGS[timing], quick=True) as transport:
        report = run_program(program, network, random_images(network, 1, 5), transport,
                             timeout=3000)
    assert report.error == "" and report.divergence is None, f"{report.error} {report.divergence}"
    assert report.exact and all(layer.exact for layer in report.layers)
    assert {layer.name: layer.engine for layer in report.layers[1:]} == engines
    for layer in report.layers[1:]:
        assert layer.counters["match"] > 0 and layer.bytes["weight_bytes"] > 0
