# SPDX-License-Identifier: Apache-2.0
"""Bench of the attention array: whole layers against the golden operation."""

import itertools
from typing import Any

import cocotb

from ..rtl.attention.layouts import chunk_choices
from .attention_traffic import (
    ATTENTION_CORNERS,
    AttentionTraffic,
    Spikes,
    all_ones,
    attention_traffic,
    silent,
    tile_heights,
)
from .bench import Bench

__all__ = ["adds_up_its_counters", "computes_after_resets", "holds_results",
           "keeps_its_pace", "matches_golden",
           "reports_errors", "reports_illegal_layers", "restarts_after_reset"]


class _Array(Bench):
    """The array."""

    def layer(self, heads: int, channels: int, steps: int, heights: list[int],
              change: Spikes = lambda spikes: None, density: float = 0.3) -> AttentionTraffic:
        """Return a random layer."""
        return attention_traffic(self.rng, self.config, heads, channels, steps, heights, change,
                                 density)

    async def begin(self, layer: AttentionTraffic) -> None:
        """Show a layer to the unit and start it."""
        self.write("layer", layer.fields)
        self.write("start", 1)
        await self.edge()
        self.write("start", 0)

    async def run(self, layers: list[AttentionTraffic], gaps: float = 0.0,
                  stalls: float = 0.0) -> Any:
        """Compute layers one after another and compare all results; return the sink."""
        sources = {name: self.source(name, gaps, burst=3) for name in ("i_tile", "i_row")}
        sink = self.sink("o", stalls, burst=3)
        for layer in layers:
            begun = len(sink.cycles)
            for name, items in (("i_tile", layer.tiles), ("i_row", layer.rows)):
                sources[name].put(items)
            await self.begin(layer)
            found = (await sink.take(begun + len(layer.results)))[begun:]
            for number, (result, want) in enumerate(zip(found, layer.results, strict=True)):
                assert result == want, f"result {number} must be {want}, not {result}"
            await self.edge(3)
            assert not self.read("busy"), "busy must be low when all results are out"
        assert not any(self.read("error").values()) and not self.read("illegal")
        return sink

    @property
    def most(self) -> tuple[int, int]:
        """Heads and channels of a head that fill the array."""
        part = self.config.attention
        return part.channels // part.head_channels, part.head_channels


def _layers(bench: Any) -> list[AttentionTraffic]:
    """Return layers of all chunks, sizes and corners."""
    config, part = bench.config, bench.config.attention
    heads, channels = bench.most
    lanes, choices = config.beat_values, chunk_choices(config)
    found = [bench.layer(heads, channels, steps, tile_heights(config, part.tokens))
             for steps in choices]
    found.append(bench.layer(1, channels, choices[-1], [1] * min(3, part.tokens)))
    found.append(bench.layer(min(3, part.groups), min(lanes, channels), choices[0],
                             tile_heights(config, 2), density=0.6))
    if channels > lanes:  # the last group of a head is not full
        found.append(bench.layer(heads, channels - lanes, choices[-1], tile_heights(config, 2)))
    found += [bench.layer(heads, channels, choices[-1], tile_heights(config, part.tokens), corner)
              for corner in ATTENTION_CORNERS]
    return found


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float) -> None:
    """Layers of all kinds, one after another, give the golden results."""
    bench: Any = await _Array.start(dut)
    sink = await bench.run(_layers(bench), gaps, stalls)
    found = {psum for item in sink.values for psum in item["psums"]}
    assert bench.config.attention.result_limit in found and 0 in found


@cocotb.test()
async def holds_results(dut: Any) -> None:
    """While results wait for long, tiles wait for room."""
    bench: Any = await _Array.start(dut)
    layer = bench.layer(1, bench.most[1], chunk_choices(bench.config)[0],
                        [1] * bench.config.attention.tokens)
    await bench.run([layer] * 2, 0.0, 0.98)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """A result leaves in each cycle of a tile; an entry, or some silent channels, take one."""
    bench: Any = await _Array.start(dut)
    config, (heads, channels) = bench.config, bench.most
    part, steps = config.attention, chunk_choices(config)[-1]
    heights, taken = tile_heights(config, part.tokens), []
    for change in (all_ones, silent(0)):
        layer = bench.layer(heads, channels, steps, heights, change)
        sink = await bench.run([layer])
        start = 0
        for height in heights:
            size = height * heads * channels
            cycles = sink.cycles[start:start + size]
            assert {later - now for now, later in itertools.pairwise(cycles)} <= {1}
            start += size
        await bench.edge(3)
        taken.append(bench.read("counters"))
        bench.write("clear", 1)
        await bench.edge()
        bench.write("clear", 0)
    if part.order == "sums":
        work = part.tokens * heads * (channels // part.adders) * channels
        loads = part.tokens * (3 * heads * channels // config.beat_values + config.chunk)
        assert taken[0]["match"] == 2 * work
        assert taken[0]["cycles"] <= (
            max(work, loads) + max(work, loads, len(sink.values)) + 6 * part.tokens
            + heads * channels * (part.rows + part.head_groups) + 3 * config.chunk + 20)
        assert taken[1]["match"] < work + part.tokens * part.groups + 1


@cocotb.test()
async def adds_up_its_counters(dut: Any) -> None:
    """Each busy cycle counts as one activity; ``clear`` sets all to zero."""
    bench: Any = await _Array.start(dut)
    heads, channels = bench.most
    await bench.run([bench.layer(heads, channels, 1 if 1 in chunk_choices(bench.config) else
                                 chunk_choices(bench.config)[0], [1, 1])])
    await bench.edge(3)
    counters = bench.read("counters")
    cycles = counters.pop("cycles")
    assert cycles == sum(counters.values()) and counters["match"] and counters["stall_row"]
    bench.write("i_busy", 1)
    await bench.edge(10)
    assert bench.read("busy") and bench.read("counters")["idle"] > counters["idle"]
    bench.write("i_busy", 0)
    bench.write("clear", 1)
    await bench.edge()
    bench.write("clear", 0)
    await bench.edge(4)
    assert not any(bench.read("counters").values())


def _broken(bench: Any, error: str) -> AttentionTraffic:
    config, (heads, channels) = bench.config, bench.most
    layer = bench.layer(heads, channels, chunk_choices(config)[0], [1, 1])
    if error == "row_overflow":
        for beat in layer.rows:
            beat["last"] = 0
        layer.rows *= config.max_chunks
    elif error == "length_mismatch":
        for beat in layer.rows[:-1]:
            beat["last"] = beat["end"]
    elif error == "row_index":
        for beat in layer.rows:
            beat["row"] = 1
    else:
        layer.tiles[0]["rows"] = 0
    return layer


@cocotb.test()
@cocotb.parametrize(error=["row_overflow", "length_mismatch", "row_index", "tile_rows"])
async def reports_errors(dut: Any, error: str) -> None:
    """What cannot be is told, stops the array, and does no harm after a reset."""
    bench: Any = await _Array.start(dut)
    layer = _broken(bench, error)
    sources = [bench.source(name) for name in ("i_tile", "i_row")]
    for source, items in zip(sources, (layer.tiles, layer.rows), strict=True):
        source.put(items)
    await bench.begin(layer)
    for _ in range(20_000):
        await bench.edge()
        if any(bench.read("error").values()):
            break
    found = bench.read("error")
    assert [name for name, value in found.items() if value] == [error], found
    await bench.edge()
    for name in ("i_tile", "i_row"):
        assert not int(getattr(dut, f"{name}__ready").value), f"{name} must stop"


@cocotb.test()
async def reports_illegal_layers(dut: Any) -> None:
    """A layer that does not fit, or contradicts itself, is not begun."""
    bench: Any = await _Array.start(dut)
    config, part, (heads, channels) = bench.config, bench.config.attention, bench.most
    good = bench.layer(heads, channels, chunk_choices(config)[0], [1]).fields
    wrong = [{"heads": 0}, {"head_channels": 0}, {"chunk_steps": 0}, {"tiles": 0},
             {"chunk_steps": part.chunk_steps + 1}, {"columns": heads * channels + 1},
             {"columns": heads * channels - 1},
             {"heads": heads + 1, "columns": (heads + 1) * channels},
             {"heads": part.groups + 1, "head_channels": config.beat_values,
              "columns": (part.groups + 1) * config.beat_values},
             {"head_channels": 2 * channels, "columns": 2 * heads * channels}]
    if config.beat_values > 1:
        wrong.append({"heads": 1, "head_channels": channels - 1, "columns": channels - 1})
    for fields in wrong:
        await bench.reset(1)
        bench.write("layer", good | fields)
        bench.write("start", 1)
        await bench.edge()
        bench.write("start", 0)
        await bench.edge((good | fields)["heads"] + 4)
        assert bench.read("illegal"), f"{fields} must be illegal"
        assert not int(dut.i_tile__ready.value)
    await bench.reset(1)
    heights = [1] * (part.tokens + 1)
    layer = bench.layer(1, channels, chunk_choices(config)[0], heights)
    tiles, rows = bench.source("i_tile"), bench.source("i_row")
    tiles.put(layer.tiles)
    rows.put(layer.rows)
    await bench.begin(layer)
    for _ in range(20_000):
        await bench.edge()
        if bench.read("illegal"):
            break
    assert bench.read("illegal"), "too many tokens must be illegal"


@cocotb.test()
@cocotb.parametrize(share=[0.3, 0.9])
async def restarts_after_reset(dut: Any, share: float) -> None:
    """A reset in the middle forgets tiles, rows and results that are at work."""
    bench: Any = await _Array.start(dut)
    heads, channels = bench.most
    heights = tile_heights(bench.config, bench.config.attention.tokens)
    layer = bench.layer(heads, channels, chunk_choices(bench.config)[0], heights)
    tiles, rows = bench.source("i_tile"), bench.source("i_row")
    tiles.put(layer.tiles)
    rows.put(layer.rows)
    await bench.begin(layer)
    await bench.edge(int(share * 4 * len(layer.rows)))
    assert bench.read("busy")
    await bench.reset(1)
    await bench.edge()
    assert not bench.read("busy") and not int(dut.o__valid.value)


@cocotb.test()
async def computes_after_resets(dut: Any) -> None:
    """After resets and errors a layer gives the golden results again."""
    bench: Any = await _Array.start(dut)
    heads, channels = bench.most
    heights = tile_heights(bench.config, bench.config.attention.tokens)
    steps = chunk_choices(bench.config)[-1]
    await bench.run([bench.layer(heads, channels, steps, heights)], 0.2, 0.2)

