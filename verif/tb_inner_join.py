# SPDX-License-Identifier: Apache-2.0
"""Bench of the inner join: fiber pairs at any sparsity and the corner cases, against the golden op.

The memories behind the two read ports are modelled here, see `_Memories`.
"""

import itertools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cocotb
import torch
from cocotb.triggers import RisingEdge

from ..rtl.config import FTPConfig
from .bench import Bench
from .join_traffic import ChunkPair, Join, Planner
from .stimuli import CORNERS, Product, random_product, random_weights, random_words

__all__ = ["covers_corner", "keeps_its_pace", "matches_golden", "passes_chunks_at_its_pace",
           "restarts_after_reset", "waits_with_a_full_queue"]


class _Memories:
    """Answers both read ports after one cycle, and holds the answer while ``en`` is low.

    The weights of a chunk are there from its transfer until ``done``, its words from its
    transfer until the last of them that matches is read; a read of anything else fails the test.
    So does ``holds`` that is not high while a chunk is scanned, and only then.
    """

    def __init__(self, bench: Bench, chunks: Iterable[ChunkPair]):
        self.matches = self.dones = 0
        self._dut = bench.dut
        self._weight_limit = 1 << bench.config.weight_bits
        self._coming = deque(chunks)
        self._scanned: deque[ChunkPair] = deque()
        self._read: deque[dict[int, int]] = deque()  # for each match to come the chunk's words
        self._task = cocotb.start_soon(self._run())

    def stop(self) -> None:
        """Answer no more."""
        self._task.cancel()

    async def _run(self) -> None:
        dut = self._dut
        while True:
            await RisingEdge(dut.clk)
            assert bool(int(dut.holds.value)) == bool(self._scanned), "holds is wrong"
            self.matches += int(dut.match.value)
            if int(dut.weights__en.value):
                assert self._scanned, "a weight was read with no chunk at work"
                weight = _at(self._scanned[0].weights, int(dut.weights__addr.value))
                dut.weights__data.value = weight % self._weight_limit
            if int(dut.words__en.value):
                assert self._read, "a word was read that nobody asked for"
                dut.words__data.value = _at(self._read.popleft(), int(dut.words__addr.value))
            if int(dut.done.value):
                self.dones += 1
                self._scanned.popleft()
            if int(dut.i__valid.value) and int(dut.i__ready.value):
                chunk = self._coming.popleft()
                self._scanned.append(chunk)
                self._read.extend([chunk.words] * chunk.matches)


def _at(memory: dict[int, int], address: int) -> int:
    assert address in memory, f"nothing at address {address}, only at {sorted(memory)}"
    return memory[address]


@dataclass(frozen=True)
class _Cycles:
    """Cycle of each transfer."""

    i: list[int]
    o_speculation: list[int]
    o: list[int]


async def _check(bench: Bench, joins: list[Join], gaps: float = 0.0, stalls: float = 0.0,
                 speculation_stalls: float = 0.0) -> _Cycles:
    """Run the fiber pairs through the unit and compare all that it does."""
    chunks = [chunk for join in joins for chunk in join.chunks]
    memories = _Memories(bench, chunks)
    source = bench.source("i", gaps, burst=3)
    sink = bench.sink("o", stalls, burst=3)
    speculation = bench.sink("o_speculation", speculation_stalls, burst=3)
    await bench.edge(2)
    source.put([chunk.payload for chunk in chunks])
    await sink.take(sum(len(join.pairs) for join in joins), timeout=1000)
    await bench.edge(20)
    memories.stop()
    pairs, guesses = _clean(sink.values), _clean(speculation.values)
    assert pairs == [pair for join in joins for pair in join.pairs]
    assert memories.matches == sum(pair["hit"] for pair in pairs)
    assert memories.dones == len(chunks)
    if bench.config.inner_join == "fast_fast":
        assert not guesses, "fast_fast must not speculate"
    else:
        assert guesses == [guess for join in joins for guess in join.speculation]
        _check_psums(pairs, guesses, joins, bench.config)
        assert all(early < late for early, late in zip(
            speculation.cycles, sink.cycles, strict=True)), "a weight must go ahead of its pair"
    return _Cycles(source.cycles, speculation.cycles, sink.cycles)


def _clean(items: list[dict[str, int]]) -> list[dict[str, int]]:
    """Return the items with 0 in what is void."""
    counts = {"weight": "hit", "word": "hit", "final": "last"}
    return [{key: value if item[counts.get(key, key)] else 0 for key, value in item.items()}
            for item in items]


def _check_psums(pairs: list[dict[str, int]], guesses: list[dict[str, int]], joins: list[Join],
                 config: FTPConfig) -> None:
    """Check that speculation minus corrections is the psum, fiber pair by fiber pair."""
    start = 0
    for join in joins:
        span = slice(start, start + len(join.pairs))
        start += len(join.pairs)
        pseudo = sum(guess["weight"] for guess in guesses[span])
        assert join.psums == [
            pseudo - sum(pair["weight"] for pair in pairs[span] if not pair["word"] >> t & 1)
            for t in range(config.timesteps)]


def _dense(bench: Bench, columns: int) -> Product:
    """Return full chunks, as many as fit in a fiber."""
    config = bench.config
    length = config.max_fan_in // config.chunk * config.chunk
    return Product(torch.tensor([random_words(bench.rng, config, length, 1.0)]), torch.tensor(
        [random_weights(bench.rng, config, length, 1.0) for _ in range(columns)]).T)


def _steps(config: FTPConfig) -> int:
    return config.chunk // config.laggy_adders


@cocotb.test()
@cocotb.parametrize(gaps=[0.0, 0.5], stalls=[0.0, 0.5], speculation_stalls=[0.0, 0.5])
async def matches_golden(dut: Any, gaps: float, stalls: float, speculation_stalls: float) -> None:
    """Random fiber pairs give the golden pairs, whatever the stalls."""
    bench = await Bench.start(dut)
    joins = Planner(bench.rng, bench.config).joins(
        random_product(bench.rng, bench.config, 1, 1) for _ in range(16))
    await _check(bench, joins, gaps, stalls, speculation_stalls)


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """The fiber pairs of each named corner case give the golden pairs, with a few stalls."""
    bench = await Bench.start(dut)
    product = CORNERS[corner](bench.rng, bench.config)
    await _check(bench, Planner(bench.rng, bench.config).joins([product]), 0.1, 0.2, 0.1)


@cocotb.test()
async def keeps_its_pace(dut: Any) -> None:
    """First pair and first speculation come when the docstring says, then one in each cycle."""
    bench = await Bench.start(dut)
    seen = await _check(bench, Planner(bench.rng, bench.config).joins([_dense(bench, 3)]))
    laggy = bench.config.inner_join == "fast_laggy"
    steps = _steps(bench.config)
    assert seen.o[0] - seen.i[0] == (max(steps + 2, 5) if laggy else 2)
    assert not laggy or seen.o_speculation[0] - seen.i[0] == 2
    if not laggy or bench.config.match_fifo_depth >= steps:
        assert {later - now for now, later in itertools.pairwise(seen.o)} == {1}


@cocotb.test()
async def passes_chunks_at_its_pace(dut: Any) -> None:
    """Chunks of one match pass as fast as the docstring says, those of none in each cycle."""
    bench = await Bench.start(dut)
    config = bench.config
    chunks = config.max_fan_in // config.chunk
    full = random_words(bench.rng, config, chunks * config.chunk, 1.0)
    one = [int(place % config.chunk == config.chunk // 2) for place in range(len(full))]
    seen = await _check(bench, Planner(bench.rng, config).joins([
        Product(torch.tensor([full]), torch.tensor([one] * 4).T),
        Product(torch.tensor([full]), torch.tensor([[0] * len(full)] * 4).T)]))
    period = max(_steps(config), 2) if config.inner_join == "fast_laggy" else 1
    waits = [later - now for now, later in itertools.pairwise(seen.i)]
    middle = 4 * chunks - 1
    assert -(-sum(waits[:middle]) // middle) == period
    assert set(waits[middle:]) == {1}


@cocotb.test()
async def waits_with_a_full_queue(dut: Any) -> None:
    """While ``o`` waits the queue fills, then ``i`` stops; nothing is lost."""
    bench = await Bench.start(dut)
    config = bench.config
    joins = Planner(bench.rng, config).joins([_dense(bench, 4)])
    source, speculation = bench.source("i"), bench.sink("o_speculation")
    memories = _Memories(bench, [chunk for join in joins for chunk in join.chunks])
    source.put([chunk.payload for join in joins for chunk in join.chunks])
    await bench.edge(4 * config.chunk + 20)
    assert int(dut.i__valid.value) and not int(dut.i__ready.value), "i must wait"
    if config.inner_join == "fast_laggy":
        assert len(speculation.cycles) == config.match_fifo_depth + 2
    else:
        assert memories.matches == 1
    wanted = [pair for join in joins for pair in join.pairs]
    assert _clean(await bench.sink("o").take(len(wanted))) == wanted


@cocotb.test()
@cocotb.parametrize(after=[1, 3, 6, 10, 15])
async def restarts_after_reset(dut: Any, after: int) -> None:
    """A reset in the middle drops everything at work; the next run is right."""
    bench = await Bench.start(dut)
    planner = Planner(bench.rng, bench.config)
    dut.o_speculation__ready.value = 1
    dut.o__ready.value = after % 2
    await bench.source("i").send([planner.joins([_dense(bench, 1)])[0].chunks[0].payload])
    await bench.edge(after)
    await bench.reset(1)
    await bench.edge()
    assert not int(dut.o__valid.value) and not int(dut.o_speculation__valid.value)
    assert int(dut.i__ready.value)
    await _check(bench, planner.joins([random_product(bench.rng, bench.config, 2, 3)]))
