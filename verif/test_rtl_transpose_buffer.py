# SPDX-License-Identifier: Apache-2.0
"""The transpose buffer in Amaranth's simulator against a transposition in plain Python."""

import itertools
import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from amaranth import Module, ResetInserter, Signal
from amaranth.sim import Simulator

from spikeloom.rtl.config import FTPConfig
from spikeloom.rtl.ftp.transpose_buffer import TransposeBuffer

CONFIGS = {
    "one_row": FTPConfig(timesteps=1, chunk=8, laggy_adders=8, tppes=1, max_fan_in=8),
    "three_rows": FTPConfig(timesteps=4, chunk=8, laggy_adders=8, tppes=3, max_fan_in=8),
    "longer_chunk": FTPConfig(timesteps=16, chunk=24, laggy_adders=8, tppes=4, max_fan_in=24),
}
QUIET = 30  # cycles without a transfer that no random stall lasts


@dataclass(frozen=True)
class Tile:
    drop_single: int
    words: dict[int, list[int]]  # by row, then column

    def inputs(self):
        """Return what the P-LIF gives: column by column."""
        last, columns = max(self.words), len(self.words[max(self.words)])
        return [{"word": words[column], "place": {
            "row": row, "column_end": int(row == last), "last": int(column == columns - 1),
            "drop_single": self.drop_single}}
            for column in range(columns) for row, words in self.words.items()]

    def outputs(self, chunk):
        """Return what the compressor takes: chunk by chunk, row by row."""
        columns = len(self.words[max(self.words)])
        return [{"word": words[column], "row": row, "last": int(column == columns - 1),
                 "drop_single": self.drop_single}
                for start in range(0, columns, chunk) for row, words in self.words.items()
                for column in range(start, min(start + chunk, columns))]


def tile(rng, config, rows, columns):
    """Return a tile of that many rows, any of the P."""
    return Tile(rng.getrandbits(1), {
        row: [rng.randrange(1 << config.timesteps) for _ in range(columns)]
        for row in sorted(rng.sample(range(config.tppes), rows))})


@dataclass
class Trace:
    """What was seen after the reset: the outputs; cycles of all transfers; busy in each cycle."""

    outputs: list[dict] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    waiting: dict | None = None

    def note(self, taken, o_valid, o_ready, busy, payload):
        now = len(self.busy)
        word = {name: int(payload[name]) for name in ("word", "row", "last", "drop_single")}
        assert self.waiting is None or (o_valid and word == self.waiting), "output not held"
        self.waiting = word if o_valid and not o_ready else None
        if taken:
            self.taken.append(now)
        if o_valid and o_ready:
            self.given.append(now)
            self.outputs.append(word)
        self.busy.append(busy)

    @property
    def quiet(self):
        """Cycles since the last transfer."""
        return len(self.busy) - max([0, *self.taken[-1:], *self.given[-1:]])

    def held(self):
        """Return for each cycle whether a word is held that was taken before."""
        moves = [(now in self.taken) - (now in self.given) for now in range(len(self.busy))]
        return [int(count > 0) for count in itertools.accumulate(moves[:-1], initial=0)]


def simulate(config, inputs, *, before=(), gaps=0.0, stalls=0.0):
    """Drive ``before`` with the output stopped, reset, then drive ``inputs`` and watch."""
    dut, reset, trace, rng = TransposeBuffer(config), Signal(), Trace(), random.Random(1)
    m = Module()
    m.submodules.dut = ResetInserter(reset)(dut)

    async def bench(ctx):
        for payload in before:
            ctx.set(dut.i.payload, payload)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        offered, waiting = False, deque(inputs)
        while trace.quiet < QUIET and len(trace.outputs) <= len(inputs):
            if not offered and waiting and rng.random() >= gaps:
                ctx.set(dut.i.payload, waiting.popleft())
                offered = True
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.o.ready, rng.random() >= stalls)
            _, _, i_ready, *seen = await ctx.tick().sample(
                dut.i.ready, dut.o.valid, dut.o.ready, dut.busy, dut.o.payload)
            trace.note(offered and i_ready, *seen)
            offered = offered and not i_ready

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return trace


@pytest.mark.parametrize("stalls", [0.0, 0.5])
@pytest.mark.parametrize("gaps", [0.0, 0.5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_transposes_tiles_of_all_sizes(config, gaps, stalls):
    rng = random.Random(f"{config.hash()} {gaps} {stalls}")
    sizes = [(config.tppes, columns) for columns in (
        1, config.chunk - 1, config.chunk, config.chunk + 1, 2 * config.chunk)]
    sizes += [(rng.randint(1, config.tppes), rng.randint(1, 2 * config.chunk)) for _ in range(6)]
    tiles = [tile(rng, config, *size) for size in rng.sample(sizes, len(sizes))]
    trace = simulate(config, [word for each in tiles for word in each.inputs()],
                     gaps=gaps, stalls=stalls)
    assert trace.outputs == [word for each in tiles for word in each.outputs(config.chunk)]
    assert trace.busy == trace.held()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_latency_and_throughput(config):
    each = tile(random.Random(1), config, config.tppes, 4 * config.chunk)
    trace = simulate(config, each.inputs())
    assert trace.given[0] - trace.taken[config.tppes * config.chunk - 1] == 2
    for cycles in (trace.taken, trace.given):
        assert {later - now for now, later in itertools.pairwise(cycles)} == {1}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_input_stops_with_two_blocks_held(config):
    each = tile(random.Random(1), config, config.tppes, 3 * config.chunk)
    trace = simulate(config, each.inputs(), stalls=1.0)
    assert len(trace.taken) == 2 * config.tppes * config.chunk
    assert not trace.given


@pytest.mark.parametrize("blocks", [0.6, 1.0, 1.6, 2.0])
def test_reset_drops_both_blocks(blocks):
    config, rng = CONFIGS["three_rows"], random.Random(1)
    dropped = tile(rng, config, config.tppes, 3 * config.chunk).inputs()
    count = int(blocks * config.tppes * config.chunk)
    each = tile(rng, config, 2, config.chunk + 3)
    trace = simulate(config, each.inputs(), before=dropped[:count])
    assert trace.outputs == each.outputs(config.chunk)
    assert trace.busy == trace.held()
