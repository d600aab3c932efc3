# SPDX-License-Identifier: Apache-2.0
"""Bench of the spiking array: tiles of all kinds in a row, against the golden ops.

`tb_spiking_array_errors` has what stops it.
"""

import itertools
from typing import Any

import cocotb
import torch

from ..models.golden.plif import LIF
from .array_checks import clear_counters, until_idle, watch_busy
from .array_traffic import Tile
from .array_traffic import random_tile as random_part
from .bench import Bench
from .spiking_bench import Pauses, put, run_tiles, sinks_of
from .spiking_traffic import SpikingTile, SpikingTraffic, random_tile, spread
from .stimuli import CORNERS, Product
from .streams import cycle

__all__ = ["counts_and_clears", "covers_corner", "drops_single_spikes",
           "groups_meet_at_the_next_tile", "keeps_its_pace", "leaves_elements_idle",
           "matches_golden", "psum_tiles_take_no_channel", "restarts_after_reset",
           "runs_neurons_without_a_match", "waits_for"]


def _groups(bench: Bench) -> int:
    """Return a number of groups."""
    return 1 << bench.rng.randrange(bench.config.weight_streams.bit_length())


def _random(bench: Bench, **limits: Any) -> SpikingTile:
    return random_tile(bench.rng, bench.config, _groups(bench), **limits)


@cocotb.test()
@cocotb.parametrize(inputs=[0.0, 0.6], psums=[0.0, 0.6], fibers=[0.0, 0.6])
async def matches_golden(dut: Any, inputs: float, psums: float, fibers: float) -> None:
    """Tiles of all kinds in a row, any rows in any groups, give the golden results."""
    bench = await Bench.start(dut)
    rng, config = bench.rng, bench.config
    kinds = [(True, True), (False, True), (True, False), (True, True), (False, False)]
    tiles = [_random(bench).told(emit_psums=emit_psums, emit_spikes=emit_spikes)
             for emit_psums, emit_spikes in rng.sample(kinds, len(kinds))]
    tiles.append(_random(bench, columns=2 * config.chunk + 1))
    tiles += [random_tile(rng, config, 1 << groups, full=True, columns=3)
              for groups in range(config.weight_streams.bit_length())]
    words = torch.cat([part.words(config).reshape(-1) for tile in tiles for part in tile.parts])
    assert (words == 0).any() and words.any(), "neurons must both fire and stay silent"
    await run_tiles(bench, tiles, Pauses(i_tile=inputs, i_row=inputs, i_weights=inputs,
                                         i_channel=inputs, o_psums=psums, o=fibers))


@cocotb.test()
@cocotb.parametrize(slow=[cocotb.Param(name, name=name) for name in Pauses.__annotations__])
async def waits_for(dut: Any, slow: str) -> None:
    """Streams of one kind are slow: nothing is lost; the counters blame a slow input."""
    bench = await Bench.start(dut)
    tiles = [_random(bench, columns=3, full=True) for _ in range(6)]
    await run_tiles(bench, tiles, Pauses(**{slow: 0.9}))
    counts = bench.read("counters")
    causes = {"i_row": "stall_row", "i_weights": "stall_column"}
    if slow in causes:
        assert 4 * counts[causes[slow]] > counts["cycles"]


@cocotb.test()
async def leaves_elements_idle(dut: Any) -> None:
    """Elements without a row count as idle in all cycles; lanes without a row give nothing."""
    bench = await Bench.start(dut)
    config = bench.config
    tile = random_part(bench.rng, config, CORNERS["few_matches"](bench.rng, config))
    for element in {0, config.tppes - 1}:
        first = element * config.rows_per_pe
        traffic = await run_tiles(bench, [spread(bench.rng, config, tile, rows=[first])],
                                  Pauses(i_weights=0.5))
        assert sum(map(bool, traffic.psums)) == 1
        counts = bench.read("counters")
        assert counts["idle"] > (config.tppes - 1) * counts["cycles"]
        await bench.reset()
        await bench.edge()


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """Each named corner case gives the golden results, in one group and in as many as can be."""
    bench = await Bench.start(dut)
    rng, config = bench.rng, bench.config
    product = CORNERS[corner](rng, config)
    tiles = []
    for count in {1, min(config.weight_streams, 1 << product.weights.shape[1].bit_length() - 1)}:
        for start in range(0, len(product.words), config.tile_rows // count):
            words = product.words[start:start + config.tile_rows // count]
            part = random_part(rng, config, Product(words, product.weights))
            tiles.append(spread(rng, config, part, count))
    await run_tiles(bench, tiles, Pauses(i_weights=0.1, o=0.2))


@cocotb.test()
async def runs_neurons_without_a_match(dut: Any) -> None:
    """Where psums are 0 for lack of a match the bias, or a threshold of 0 or below, still fires."""
    bench = await Bench.start(dut)
    config = bench.config
    bias, threshold = torch.tensor([3, 0, 0, -1, 0, 1]), torch.tensor([3, 0, -2, 0, 1, 0])
    silent, weights = torch.zeros(1, config.chunk), torch.ones(config.chunk, len(bias))
    for words, values in ((silent, weights), (silent + 1, 0 * weights)):
        tile = Tile(product=Product(words.long(), values.long()), bias=bias,
                    threshold=threshold, lif=LIF(gain=1, shift=0))
        full = (1 << config.timesteps) - 1
        assert tile.words(config)[0].tolist() == [full, full, full, 0, 0, full]
        await run_tiles(bench, [spread(bench.rng, config, tile)])
        await bench.reset()
        await bench.edge()


@cocotb.test()
async def drops_single_spikes(dut: Any) -> None:
    """The fine-tuned mode drops words of one spike from its own tile and from no other."""
    bench = await Bench.start(dut)
    config = bench.config
    one = torch.tensor([1 << row % config.timesteps for row in range(config.tile_rows)])
    words = torch.stack([one, torch.full_like(one, (1 << config.timesteps) - 1)], dim=1)
    tile = Tile(product=Product(words, torch.tensor([[1, 0], [0, 1]])),
                bias=torch.zeros(2, dtype=torch.int64), threshold=torch.tensor([1, 1]),
                lif=LIF(gain=1, shift=0))
    assert torch.equal(tile.words(config), words), "the neurons must repeat their input"
    tiles = [spread(bench.rng, config, tile).told(drop_single=drop)
             for drop in (True, False, True)]
    traffic = await run_tiles(bench, tiles)
    rows, many = config.lane_rows, int(config.timesteps > 1)
    for lane, results in enumerate(traffic.words):
        mine, kept = words[lane * rows:(lane + 1) * rows], [kept for _, kept in results]
        assert kept[rows:2 * rows] == mine.tolist()
        assert kept[:rows] == kept[2 * rows:] == (mine * torch.tensor([0, many])).tolist()


@cocotb.test()
async def psum_tiles_take_no_channel(dut: Any) -> None:
    """Tiles that emit psums only need no channel, and those behind them get theirs."""
    bench = await Bench.start(dut)
    quiet = [_random(bench, columns=2).told(emit_spikes=False) for _ in range(3)]
    traffic = SpikingTraffic(quiet, bench.config, bench.rng)
    assert not any(traffic.channels) and not any(traffic.fibers)
    await run_tiles(bench, [*quiet, _random(bench)])


@cocotb.test()
async def groups_meet_at_the_next_tile(dut: Any) -> None:
    """A group gives all results of a tile while another waits for weights, but none of the next."""
    bench = await Bench.start(dut)
    config = bench.config
    streams = config.weight_streams
    tiles = [random_tile(bench.rng, config, streams, full=True, columns=2).told(
        emit_psums=True, emit_spikes=False) for _ in range(2)]
    first, both = (SpikingTraffic(tiles[:count], config, bench.rng) for count in (1, 2))
    bench.source("i_tile").put(both.tiles)
    put(bench, "i_row", both.rows)
    sinks = sinks_of(bench, "o_psums")
    sources = put(bench, "i_weights", [both.weights[0], *[[]] * (streams - 1)])
    lanes = config.output_lanes // streams  # of a group
    await bench.edge(20 * config.max_fan_in)
    wanted = both if streams == 1 else first
    assert [sink.values for sink in sinks[:lanes]] == wanted.psums[:lanes]
    assert not any(sink.values for sink in sinks[lanes:])
    for source, weights in zip(sources[1:], both.weights[1:], strict=True):
        source.put(weights)
    await until_idle(bench)
    assert [sink.values for sink in sinks] == both.psums


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """Latency and throughput of the psums are what the docstring says."""
    bench = await Bench.start(dut)
    config = bench.config
    weights = torch.zeros(config.chunk, 40, dtype=torch.int64)
    weights[-1, 0] = 1
    rows = torch.ones(config.tile_rows, config.chunk, dtype=torch.int64)
    if config.pe == "scan":
        rows[:, -1] = 0  # one addition in each element
        rows[::config.rows_per_pe, -1] = 1
    zeros = torch.zeros(40, dtype=torch.int64)
    tile = Tile(product=Product(rows, weights), bias=zeros, threshold=zeros,
                lif=LIF(gain=1, shift=0), emit_spikes=False)
    whole = spread(bench.rng, config, tile)
    traffic = SpikingTraffic([whole], config, bench.rng)
    await bench.source("i_tile").send(traffic.tiles)
    for row, beats in enumerate(traffic.rows):
        await bench.source(f"i_row__{row}").send(beats)
    await bench.edge(2 * config.chunk)
    sinks = sinks_of(bench, "o_psums")
    weights_in = put(bench, "i_weights", traffic.weights)[0]
    end = next(number for number, beat in enumerate(traffic.weights[0]) if beat["column_end"])
    for sink, psums in zip(sinks, traffic.psums, strict=True):
        await sink.take(len(psums))
        assert sink.cycles[0] - weights_in.cycles[end] == 6
        if config.lane_rows > 1:
            assert {later - now for now, later in itertools.pairwise(sink.cycles)} == {1}


@cocotb.test()
async def counts_and_clears(dut: Any) -> None:
    """``clear`` sets all counters to zero, idle or busy; the next cycle counts again."""
    bench = await Bench.start(dut)
    await run_tiles(bench, [_random(bench)])
    assert bench.read("counters")["cycles"]
    await clear_counters(bench)
    await bench.edge()
    assert set(bench.read("counters").values()) == {0}
    busy = watch_busy(bench)
    traffic = SpikingTraffic([_random(bench, full=True)], bench.config, bench.rng)
    bench.source("i_tile").put(traffic.tiles)
    for name, payloads in (("i_row", traffic.rows), ("i_weights", traffic.weights),
                           ("i_channel", traffic.channels)):
        put(bench, name, payloads)
    for name in ("o_psums", "o"):
        sinks_of(bench, name)
    await bench.edge(20)
    await clear_counters(bench)
    cleared = cycle()
    await until_idle(bench)
    after = len([now for now in busy if now > cleared])
    assert after and bench.read("counters")["cycles"] == after


@cocotb.test()
@cocotb.parametrize(after=[0, 7, 16, 30, 60])
async def restarts_after_reset(dut: Any, after: int) -> None:
    """A reset in the middle forgets tiles, rows, weights, results and counts."""
    bench = await Bench.start(dut)
    config = bench.config
    traffic = SpikingTraffic([random_tile(bench.rng, config, full=True)], config, bench.rng)
    for lane in range(config.output_lanes):
        getattr(dut, f"o_psums__{lane}__ready").value = after % 2
        getattr(dut, f"o__{lane}__ready").value = 1
        getattr(dut, f"i_channel__{lane}__valid").value = 1
    tiles = bench.source("i_tile")
    tiles.put(traffic.tiles * 2)
    for row, beats in enumerate(traffic.rows):
        await bench.source(f"i_row__{row}").send(beats)
    await bench.source("i_weights__0").send(traffic.weights[0][:3])
    await bench.edge(after)
    assert len(tiles.cycles) == 2
    for lane in range(config.output_lanes):
        getattr(dut, f"i_channel__{lane}__valid").value = 0
    await bench.reset(1)
    await bench.edge()
    assert not bench.read("busy") and set(bench.read("counters").values()) == {0}
    for name, lane in itertools.product(("o", "o_psums"), range(config.output_lanes)):
        assert not int(getattr(dut, f"{name}__{lane}__valid").value)
    await run_tiles(bench, [_random(bench), _random(bench, columns=config.chunk + 1)])
