# SPDX-License-Identifier: Apache-2.0
"""What the benches of the element that looks weights up have in common."""

import collections
from typing import Any

import cocotb
import torch
from cocotb.triggers import RisingEdge, Timer

from ..rtl.config import ArrayConfig
from ..rtl.ftp.tppe import Activity
from .bench import Bench
from .element_traffic import ElementTile, ElementTraffic, weight_lists
from .payload import unpack
from .stimuli import Product, random_weights, random_words
from .streams import StreamSource, cycle

__all__ = ["ElementBench", "check", "drain_cycles", "full_tile", "run", "traffic_of"]


class ElementBench(Bench):
    """The element among those of its group, which may find weights where it has none.

    Attributes
    ----------
    others : bool
        Whether other elements of the group find weights.
    activities : Counter[str]
        Cycles of each activity, by its name.
    matches : list of int
        The cycles of ``MATCH``.
    queued : int
        Weights that the group queued, if it is ``bcast``.
    """

    def __init__(self, dut: Any):
        super().__init__(dut)
        self.activities: collections.Counter[str] = collections.Counter()
        self.matches: list[int] = []
        self.queued, self.others = 0, True
        cocotb.start_soon(self._watch())
        cocotb.start_soon(self._be_group())

    @classmethod
    async def start(cls, dut: Any) -> "ElementBench":
        """Silence all inputs, start the clock, reset the unit."""
        bench = await super().start(dut)
        assert isinstance(bench, cls)
        return bench

    def rows(self, pause: float = 0.0) -> list[StreamSource]:
        """Return a driver of each row."""
        shape = self._payload("i_row")
        return [StreamSource(self.dut, f"i_row__{row}", shape, self._pauses(pause, 3))
                for row in range(self.config.rows_per_pe)]

    async def _watch(self) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            activity = Activity(self.read("activity")).name
            self.activities[activity] += 1
            if activity == "MATCH":
                self.matches.append(cycle())

    async def _be_group(self) -> None:
        """Let other elements have hits of their own, where the beat has a weight."""
        dut, config, layout = self.dut, self.config, self._payload("i_weights")
        taken = looked_up = 0  # entries with a weight
        while True:
            await RisingEdge(dut.clk)
            looked_up, taken = taken, 0
            if int(dut.i_weights__valid.value) and int(dut.i_weights__ready.value):
                beat = unpack(layout, int(dut.i_weights__payload.value))
                taken = sum(entry["valid"] << bank for bank, entry in enumerate(beat["entries"]))
            await Timer(1, "ns")
            live = self.read("live")
            assert not live & ~looked_up, "only a weight can be live"
            if config.pe == "scan":
                live = self.rng.getrandbits(config.probes)
            else:
                live |= looked_up & self.rng.getrandbits(config.probes) * self.others
            self.queued += live.bit_count()
            dut.i_live.value = live


async def run(bench: ElementBench, traffic: ElementTraffic, row_gaps: float = 0.0,
              weight_gaps: float = 0.0, stalls: float = 0.0) -> list[int]:
    """Run the tiles, compare all results and activities; return the cycles of the results."""
    tile = bench.source("i_tile", row_gaps, 3)
    weights, sink = bench.source("i_weights", weight_gaps, 3), bench.sink("o", stalls, burst=3)
    before = bench.activities["MATCH"], bench.queued
    tile.put(traffic.tiles)
    for row, beats in zip(bench.rows(row_gaps), traffic.rows, strict=True):
        row.put(beats)
    weights.put(traffic.weights)
    check(await sink.take(len(traffic.results), timeout=20_000), traffic.results)
    while len(weights.cycles) < len(traffic.weights):  # of a tile without rows
        await bench.edge()
    await bench.edge(20 + drain_cycles(bench.config))
    assert len(sink.cycles) == len(traffic.results), "a result was repeated"
    assert not any(bench.read("error").values()), f"errors must be 0: {bench.read('error')}"
    matches = traffic.matches if bench.config.pe == "scan" else bench.queued - before[1]
    assert bench.activities["MATCH"] - before[0] == matches
    return sink.cycles


def check(found: list[Any], wanted: list[Any]) -> None:
    """Compare results."""
    for number, (got, want) in enumerate(zip(found, wanted, strict=True)):
        assert got == want, f"result {number} must be {want}, not {got}"


def drain_cycles(config: ArrayConfig) -> int:
    """Return the cycles in which the weights that are queued are added for sure."""
    return config.probes * config.hit_fifo_depth * config.rows_per_pe


def full_tile(bench: ElementBench, columns: int, density: float = 1.0,
              words: float = 1.0) -> ElementTile:
    """Return a tile of all rows and the longest columns, of these densities."""
    config = bench.config
    length, used = config.max_chunks * config.chunk, list(range(config.rows_per_pe))
    product = Product(
        torch.tensor([random_words(bench.rng, config, length, words) for _ in used]),
        torch.tensor([random_weights(bench.rng, config, length, density)
                      for _ in range(columns)]).T)
    return ElementTile(product=product, used=used,
                       columns=weight_lists(product, config, bench.rng))


def traffic_of(bench: ElementBench, *tiles: ElementTile) -> ElementTraffic:
    """Return the traffic of these tiles."""
    return ElementTraffic(tiles, bench.config, bench.rng)
