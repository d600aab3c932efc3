# SPDX-License-Identifier: Apache-2.0
"""The accelerator in Verilator, with buses that others wrote, against the reference machine."""

import pytest

from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.presets import load_config
from spikeloom.models.zoo.registry import get
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.program_run import run_program
from spikeloom.verif.runner import Run, run_bench
from spikeloom.verif.verilator_transport import VerilatorTransport

CONFIGS = {
    "four_rows": AcceleratorConfig(
        chunk=16, tppes=4, laggy_adders=4, match_fifo_depth=4, beat_values=4, max_fan_in=512,
        memory_bits=64, burst_words=8, fetch_depth=4, weight_buffer_beats=128, max_columns=64,
        guard_bits=6),
    "two_rows": AcceleratorConfig(
        timesteps=5, inner_join="fast_fast", chunk=8, tppes=2, laggy_adders=8, beat_values=1,
        max_fan_in=512, memory_bits=32, burst_words=2, fetch_depth=2, weight_buffer_beats=64,
        max_columns=32, guard_bits=6),
    "bcast": AcceleratorConfig(
        pe="bcast", rows_per_pe=2, probes=2, hit_fifo_depth=8, timesteps=3, chunk=8, tppes=2,
        laggy_adders=8, beat_values=2, max_fan_in=512, memory_bits=64, burst_words=4,
        fetch_depth=2, weight_buffer_beats=256, max_columns=32, guard_bits=6),
}


@pytest.mark.parametrize("config", [
    pytest.param(config, id=name, marks=() if name == "four_rows" else pytest.mark.long)
    for name, config in CONFIGS.items()])
def test_bench(config):
    # behind the array all is alike, and other tests run the others on elements that look up
    networks = ["two_sources"] if config.looks_up else ["two_sources", "residuals", "integers"]
    run_bench(Run(unit="accelerator", config=config, bench="tb_accelerator",
                  parameters={"networks": networks}))


def test_trained_network_on_a_real_image():
    """Network, compiler, preset and RTL together; `make sim` and `make regress` run more."""
    recipe, config = get("dual_sparse_cnn"), load_config("tiny")
    network, test = recipe.load(), recipe.load_test()
    program = compile_network(network, config, keep_all=True)
    with VerilatorTransport(config) as transport:
        report = run_program(program, network, test.images[:1], transport)
    assert report.exact and report.error == "" and report.divergence is None
    assert [layer.exact for layer in report.layers] == [True] * len(report.layers)
    assert report.predictions == [int(test.labels[0])]
