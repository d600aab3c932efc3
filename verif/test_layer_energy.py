# SPDX-License-Identifier: Apache-2.0
"""Events of layers counted by hand, and their energy."""

import dataclasses

import pytest
import torch
from rich.console import Console

from spikeloom.models.golden.conductance import make_images
from spikeloom.models.golden.crossbar_layer import CrossbarLayer
from spikeloom.models.golden.layer import AttentionLayer, IntegerLayer, PoolLayer
from spikeloom.models.golden.network import IntegerNetwork, LayerTrace
from spikeloom.models.golden.plif import LIF
from spikeloom.models.golden.source import IMAGE, Source
from spikeloom.rtl.config import AcceleratorConfig, AttentionConfig, CrossbarConfig
from spikeloom.verif.accounting.energy import DEFAULT_TABLES, energy, load_table
from spikeloom.verif.layer_energy import (
    EVENTS,
    attention_shares,
    energy_notes,
    energy_table,
    layer_energy,
)
from spikeloom.verif.layer_events import attention_work, layer_events, memory_events
from spikeloom.verif.program_run import LayerReport, ProgramReport

CONFIG = AcceleratorConfig(
    timesteps=2, chunk=8, weight_bits=4, tppes=2, laggy_adders=2, beat_values=2, max_columns=8,
    attention=AttentionConfig(channels=2, head_channels=2, adders=2, tokens=2, chunk_steps=2,
                              chunks=1, rows=2))
NOTHING = torch.zeros(2, dtype=torch.int64)
FIRING = {"bias": NOTHING, "threshold": NOTHING + 1, "lif": LIF()}


def _run(layer, images, input_bits):
    """Return the trace of a layer that reads the image."""
    readout = IntegerLayer(name="readout", output="readout", bias=NOTHING, sources=(Source(
        input=layer.name, weight=torch.ones(2, 2, *layer.maps, dtype=torch.int64),
        height=layer.maps[0], width=layer.maps[1]),))
    shape = tuple(images.shape[-3:])
    network = IntegerNetwork(name="made", timesteps=2, layers=(layer, readout),
                             input_shape=shape, input_bits=input_bits)
    return readout, network.run(images)


def _product(**options):
    """Return a layer, its trace and that of the readout: 3 matches of 4 spikes, 4 outputs."""
    weight = torch.tensor([[1, 0, -2], [0, 0, 3]])[..., None, None]
    layer = IntegerLayer(name="product", weight_bits=4, **(FIRING | options), sources=(
        Source(input=IMAGE, weight=weight, height=1, width=2),))
    steps = torch.tensor([[[1, 0], [1, 0], [0, 0]], [[1, 0], [0, 1], [0, 1]]])  # [T, C, W]
    return layer, *_run(layer, steps[None, :, :, None].to(torch.uint8), 0)


def test_product_of_spikes():
    layer, readout, trace = _product()
    # 2 outputs of 2 rows: masks of 2 x 8 bits each, and 4 + 2 bits for each match.
    assert layer_events(layer, trace["product"], CONFIG) == {
        # Each match once, 2 x 3 - 4 corrections, 2 subtractions for each of 4 outputs.
        "compute": {"add_32_bit": 3 + 2 + 8}, "buffers": {"sram_8kb_byte": (64 + 18 + 7) // 8},
        # Bias, membrane, threshold.
        "neurons": {"add_32_bit": 8 * 3}}
    exact = dataclasses.replace(CONFIG, inner_join="fast_fast")
    assert layer_events(layer, trace["product"], exact)["compute"] == {"add_32_bit": 4}
    scan = dataclasses.replace(CONFIG, pe="scan", probes=2)
    found = layer_events(layer, trace["product"], scan)
    assert (found["compute"], found["buffers"]) == ({"add_32_bit": 4}, {})
    # Bias, sum over timesteps.
    assert layer_events(readout, trace["readout"], CONFIG)["neurons"] == {"add_32_bit": 4 * 2}


@pytest.mark.parametrize("options, additions, products", [
    ({"lif": LIF(reset="soft")}, 4, 0),
    ({"requantize": (NOTHING + 1, NOTHING)}, 4, 1),
    ({"output": "integers", "lif": None, "threshold": None}, 1, 0)])
def test_neurons(options, additions, products):
    layer, _, trace = _product()
    layer = dataclasses.replace(layer, **options)
    found = layer_events(layer, trace["product"], CONFIG)["neurons"]
    assert found == {"add_32_bit": 8 * additions} | ({"mult_32_bit": 8} if products else {})


def test_product_of_pixels():
    weight = torch.tensor([1, 0]).reshape(2, 1, 1, 1)
    layer = IntegerLayer(name="product", weight_bits=4, input_bits=8, **FIRING, sources=(
        Source(input=IMAGE, weight=weight, height=1, width=1),))
    _, trace = _run(layer, torch.tensor([[[[5]]]], dtype=torch.uint8), 8)
    # 0b101: two of four lane passes have a spike, which meet one weight.
    assert layer_events(layer, trace["product"], CONFIG) == {
        "compute": {"add_32_bit": 2 + (2 * 2 - 2) + 2 * 8},
        "buffers": {"sram_8kb_byte": (8 * 16 + 2 * 6 + 7) // 8},
        # For both outputs eight lanes are added.
        "neurons": {"add_32_bit": 2 * 2 * 3 + 2 * 7}}


def test_crossbars_count_neurons_only():
    layer, _, trace = _product()
    crossbar = CrossbarConfig(timesteps=2, beat_values=2, weight_bits=4, rows=16)
    layer = dataclasses.replace(layer, crossbars=CrossbarLayer(
        config=crossbar, positions=torch.arange(3), outputs=2, block_outputs=2,
        images=(tuple(make_images(layer.weight_matrix(), crossbar)[:1]),)))
    assert layer_events(layer, trace["product"], CONFIG) == {
        "compute": {}, "buffers": {}, "neurons": {"add_32_bit": 24}}


@pytest.mark.parametrize("padding, windows, members", [((0, 0), 1 * 2, 8), ((1, 1), 3 * 4, 24)])
def test_pooling(padding, windows, members):
    layer = PoolLayer(name="pool", pooled="before", height=2, width=3, kind="max",
                      window=(2, 2), padding=padding, residual="before", **FIRING)
    psums = torch.zeros(2, 3 * windows, 2, dtype=torch.int64)  # three images
    found = LayerTrace(name="pool", rows=psums, psums=psums, currents=psums, spikes=None,
                       maps=None)
    assert layer_events(layer, found, CONFIG) == {
        "compute": {"add_32_bit": (members - windows) * 3 * 2 * 2}, "buffers": {},
        "neurons": {"add_32_bit": 2 * 3 * windows * 2 * 4}}


def _attention():
    """Return a layer and its tokens: two of two channels, two timesteps in one chunk."""
    layer = AttentionLayer(name="attend", input="qkv", height=1, width=2, heads=1, chunk_steps=2,
                           **FIRING)
    # Of queries, keys and values; the first token, then the second one, at each timestep.
    return layer, torch.tensor([[[1, 0, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0]],
                                [[1, 0, 0, 0, 1, 1], [0, 0, 0, 1, 0, 0]]], dtype=torch.bool)


def test_sums_first():
    layer, tokens = _attention()
    work = attention_work(layer, tokens, CONFIG)
    # The first key and the first value of the first token fire together once: one count, one
    # addition; its first query fires twice, and selects two sums each time.
    assert (work.common, work.added) == (1, 1 + 2 * 2)
    # One key and one query are not silent; the other token has an entry all the same.
    assert work.entries == 2 + 2
    word = 2 * 3  # two sums of up to 4
    assert (work.read, work.written) == (4 * word, (2 + 2) * word)  # two are set to zero


def test_scores_first():
    layer, tokens = _attention()
    config = dataclasses.replace(CONFIG, attention=dataclasses.replace(
        CONFIG.attention, order="scores"))
    work = attention_work(layer, tokens, config)
    # The query meets its own key, of the first step, at both steps; one value fires there.
    assert (work.common, work.added) == (2, 2)
    # The first token meets itself, and both the last one, which gives results; two steps each.
    assert work.entries == 3 * 2
    result = 2 * 2 * 4  # two channels, two timesteps, up to 8
    assert work.read == 4 * 2 * 4 + 6 * (2 * 2 + result)
    assert work.written == 2 * 6 * 2 + 6 * result


def test_attention_as_events():
    layer, tokens = _attention()
    psums = layer.psums(tokens)
    found = LayerTrace(name="attend", rows=tokens, psums=psums, currents=psums, spikes=None,
                       maps=None)
    assert layer_events(layer, found, CONFIG) == {
        "compute": {"add_8_bit": 1, "add_32_bit": 5}, "buffers": {"sram_8kb_byte": 3 + 3},
        "neurons": {"add_32_bit": 8 * 3}}
    large = dataclasses.replace(CONFIG, attention=dataclasses.replace(
        CONFIG.attention, channels=512, head_channels=64))
    # 512 x 64 sums of 3 bits are 12 KB; a channel takes 32 words to set to zero.
    assert layer_events(layer, found, large)["buffers"] == {
        "cache_read_byte": 3, "cache_write_byte": (2 + 2 * 32) * 6 // 8 + 1}


def test_memory():
    traffic = {"weight_bytes": 10, "spike_bytes": 20, "other_bytes": 5, "written_bytes": 7}
    assert memory_events(traffic, CONFIG) == {"dram_byte": 42}
    inside = dataclasses.replace(CONFIG, memory="on_chip")
    assert memory_events(traffic, inside) == {"cache_read_byte": 35, "cache_write_byte": 7}


@pytest.fixture
def report():
    product = LayerReport(name="product", engine="loas", cycles=300, events={
        "compute": {"add_32_bit": 20_000}, "buffers": {"sram_8kb_byte": 800},
        "neurons": {"mult_32_bit": 1000}, "memory": {"dram_byte": 40}})
    attend = LayerReport(name="attend", engine="attention", cycles=100, events={
        "compute": {"add_8_bit": 100_000}, "memory": {"dram_byte": 20}})
    return ProgramReport(
        network="made", images=2, layers=[product, attend], logits=[], predictions=[],
        exact=True, divergence=None, divergent_image=-1, error="", cycles=400, seconds=1.0)


def test_energy(report):
    table = load_table()
    product, attend = (layer_energy(layer, table) for layer in report.layers)
    assert product == pytest.approx({"compute": 2000, "buffers": 1000, "neurons": 3100,
                                     "memory": 6500})
    assert attend == pytest.approx({"compute": 3000, "buffers": 0, "neurons": 0, "memory": 3250})
    console = Console(width=100)
    with console.capture() as capture:
        console.print(energy_table(report, table))
    text = " ".join(capture.get().split())
    assert "product 1.00 0.50 1.55 3.25 6.30 66.8%" in text
    assert "attend 1.50 0.00 0.00 1.62 3.12 33.2%" in text
    assert "all 2.50 0.50 1.55 4.88 9.43 100.0%" in text
    assert attention_shares(report, table) == (
        "attention: 25.0% of the cycles, 33.2% of the energy, 33.0% of that without memory")
    assert attention_shares(dataclasses.replace(report, layers=report.layers[:1]), table) == ""


def test_notes_name_table_and_numbers():
    source, numbers = energy_notes(load_table(), "horowitz_45nm")
    assert "horowitz_45nm" in source and "not counted: crossbars" in source
    assert "dram_byte 162.5 pJ" in numbers


@pytest.mark.parametrize("name", ["horowitz_45nm", "cacti_32nm"])
def test_tables_have_all_events(name):
    assert set(energy(dict.fromkeys(EVENTS, 1), load_table(name, DEFAULT_TABLES))) == set(EVENTS)
