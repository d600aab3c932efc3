# SPDX-License-Identifier: Apache-2.0
"""The command that runs a block and both orders of attention, on the reference machine."""

import pytest
from rich.console import Console

from spikeloom.models.nn.statten_shape import StattenShape
from spikeloom.verif import attention_table
from spikeloom.verif.program_run import LayerReport, ProgramReport
from spikeloom.verif.reference_transport import ReferenceTransport

SHAPE = StattenShape(side=32, inputs=3, classes=4, timesteps=4, chunk_steps=2, channels=32,
                     heads=2, hidden_ratio=2)


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the command with the reference machine for the RTL."""

    def _run(*words, **broken):
        monkeypatch.setitem(attention_table.PUBLISHED, "small", SHAPE)
        monkeypatch.setattr(attention_table, "VerilatorTransport",
                            lambda config: ReferenceTransport(config, **broken))
        status = attention_table.main(words)
        shown = capsys.readouterr()
        return status, " ".join(shown.out.split()), shown.err

    return _run


def test_block_and_orders(run):
    status, text, _ = run("--network", "small", "--set", "tppes=4")
    assert status == 0 and "every layer is exact" in text
    for name in ("A block, KᵀV first, B = 2", "block0.qkv", "block0.output", "position 1",
                 "KᵀV first, B = 1", "QKᵀ first, B = 2", "QKᵀ first, B = 1"):
        assert name in text, name
    assert "energy: table horowitz_45nm" in text


def test_a_wrong_layer(run):
    def break_attention(machine):
        for descriptor in machine.descriptors:
            if descriptor.get("attention"):
                descriptor["lif"]["gain"] = 9

    status, text, _ = run("--network", "small", "--chunks", "4", "--set",
                          "attention.chunks=1", hook=break_attention)
    assert status == 1 and "not every layer is exact" in text
    assert "layer block0.attention: spike of neuron" in text


@pytest.mark.parametrize("words, text", [
    (["--network", "cifar10dvs-t16"], "network must be one of cifar10-2-256, "),
    (["--network", "small", "--set", "tppes=0"], "tppes must be an int in 1..64, not 0"),
])
def test_bad_arguments(run, words, text):
    status, _, errors = run(*words)
    assert status == 2 and text in errors and errors.count("\n") == 1


def test_tables():
    def report(*layers):
        return ProgramReport(
            network="made", images=1, layers=list(layers), logits=[], predictions=[], exact=True,
            divergence=None, divergent_image=-1, error="", cycles=0, seconds=1.0)

    def layer(name, cycles, dram):
        return LayerReport(name=name, cycles=cycles, events={"memory": {"dram_byte": dram}})

    whole = attention_table.Measured(order="sums", chunk_steps=2, rates={}, report=report(
        layer("image", 900, 9), layer("block0.qkv", 300, 4000),
        layer("block0.attention", 100, 1000)))
    other = attention_table.Measured(order="scores", chunk_steps=1, rates={}, report=report(
        layer("block0.attention", 200, 3000)))
    table = attention_table.load_table()
    console = Console(width=100)
    with console.capture() as capture:
        console.print(attention_table.block_table(whole, table))
        console.print(attention_table.attention_table([whole, other], table))
    text = " ".join(capture.get().split())
    assert "block0.qkv 300 0.65 75.0 80.0" in text and "block 400 0.81 100.0 100.0" in text
    assert "image" not in text
    assert "QKᵀ first, B = 1 200 0.49 50.0 60.0" in text
