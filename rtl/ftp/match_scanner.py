# SPDX-License-Identifier: Apache-2.0
"""Match scanner: walks over the positions that two bitmasks share."""

from amaranth import Module, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from ..one_hot import encode
from ..population_count import population_count
from .layouts import index_range
from .prefix_sum import PrefixSumFast

__all__ = ["MatchScanner", "chunk_pair_layout", "match_layout", "offset_at"]


def chunk_pair_layout(config: FTPConfig) -> data.StructLayout:
    """Return one chunk of a spike fiber beside the same chunk of a weight fiber.

    Members
    -------
    spike_mask : unsigned(C)
        Positions whose neuron is not silent.
    spike_base : range(row_values)
        Address of the chunk's first lane word.
    weight_mask : unsigned(C)
        Positions whose weight is not zero.
    weight_base : range(column_beats * V)
        Address of the chunk's first weight.
    last : unsigned(1)
        Last chunk of both fibers.
    final : unsigned(1)
        The spike fiber is not used again; passed on with ``last``.
    """
    return data.StructLayout({
        "spike_mask": unsigned(config.chunk),
        "spike_base": index_range(config.row_values),
        "weight_mask": unsigned(config.chunk),
        "weight_base": index_range(config.column_beats * config.beat_values),
        "last": unsigned(1),
        "final": unsigned(1),
    })


def match_layout(config: FTPConfig) -> data.StructLayout:
    """Return one matched position.

    Members
    -------
    position : range(C)
        Position in the chunk.
    weight_address : range(column_beats * V)
        Address of its weight.
    spike_address : range(row_values)
        Address of its lane word; the chunk's base if only weights are ranked.
    end : unsigned(1)
        Last match of its chunk.
    hit : unsigned(1)
        0: no match, sent only to carry ``last``.
    last : unsigned(1)
        Nothing follows in this fiber.
    final : unsigned(1)
        As in the chunk pair.
    """
    return data.StructLayout({
        "position": index_range(config.chunk),
        "weight_address": index_range(config.column_beats * config.beat_values),
        "spike_address": index_range(config.row_values),
        "end": unsigned(1),
        "hit": unsigned(1),
        "last": unsigned(1),
        "final": unsigned(1),
    })


def offset_at(ranks: data.View, position: Value) -> Value:
    """Return the offset of ``position`` in the result of a prefix sum."""
    offsets = ranks.offsets.as_value()
    width = len(ranks.offsets[0])
    return (offsets >> position * width)[:width]


class MatchScanner(wiring.Component):
    """Find the matches of a chunk pair, lowest position first, and where their values lie.

    A fast prefix sum ranks the weight mask, and with ``rank_spikes`` a second one the spike mask.

    Latency: 1 cycle. Throughput: 1 match per cycle; a chunk without a match takes 1 cycle.
    Back-pressure: a match that waits on ``o`` holds its chunk, and the chunk holds ``i``.
    Reset: synchronous; drops the chunk at work.

    Parameters
    ----------
    config : FTPConfig
    rank_spikes : bool

    Members
    -------
    i : In(stream.Signature(chunk_pair_layout(config)))
        Chunk pair.
    o : Out(stream.Signature(match_layout(config)))
        Matches.
    done : Out(1)
        High in the cycle in which a chunk leaves the scanner.
    holds : Out(1)
        High while a chunk is at work.
    """

    i: stream.Interface
    o: stream.Interface
    done: Signal
    holds: Signal

    def __init__(self, config: FTPConfig, *, rank_spikes: bool):
        self.config = config
        self.rank_spikes = rank_spikes
        super().__init__({
            "i": In(stream.Signature(chunk_pair_layout(config))),
            "o": Out(stream.Signature(match_layout(config))),
            "done": Out(1),
            "holds": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        chunk = self.config.chunk
        layout = chunk_pair_layout(self.config)
        pair = Signal(data.StructLayout({  # the masks live on in ``left`` and the ranks
            name: layout[name].shape for name in ("spike_base", "weight_base", "last", "final")
        }))
        left = Signal(chunk)  # matches still to be sent
        rest, lowest = Signal(chunk), Signal(chunk)
        hit, end, step = Signal(), Signal(), Signal()  # apart from ``o``, lest it depend on itself

        m.d.comb += [
            self.i.ready.eq(~self.holds | self.done),
            rest.eq(left & (left - 1)),
            lowest.eq(left & ~rest),
            hit.eq(left.any()),
            end.eq(~rest.any()),
            self.o.valid.eq(self.holds & (hit | (pair.last & end))),
            step.eq(self.holds & (self.o.ready | ~self.o.valid)),
            self.done.eq(step & end),
        ]
        with m.If(step):
            m.d.sync += left.eq(rest)
        with m.If(self.i.ready):
            m.d.sync += self.holds.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += left.eq(self.i.p.spike_mask & self.i.p.weight_mask)
            m.d.sync += [pair[name].eq(self.i.p[name]) for name, _ in pair.shape()]

        position = encode(m, lowest)
        m.d.comb += [
            self.o.p.position.eq(position),
            self.o.p.weight_address.eq(
                pair.weight_base + self._rank(m, "weight", lowest, position)),
            self.o.p.spike_address.eq(pair.spike_base),
            self.o.p.end.eq(end),
            self.o.p.hit.eq(hit),
            self.o.p.last.eq(pair.last & end),
            self.o.p.final.eq(pair.final),
        ]
        if self.rank_spikes:
            m.d.comb += self.o.p.spike_address.eq(
                pair.spike_base + self._rank(m, "spike", lowest, position))
        return m

    def _rank(self, m: Module, name: str, lowest, position) -> Value:
        """Return how many bits of a mask are set below a position, of which ``lowest`` is the bit.

        Serial hardware counts them for this position alone.
        """
        mask = self.i.p[f"{name}_mask"]
        if self.config.is_serial:
            kept = Signal(self.config.chunk, name=f"{name}_mask")
            with m.If(self.i.ready & self.i.valid):
                m.d.sync += kept.eq(mask)
            return population_count(kept & (lowest - 1)[:len(kept)])
        m.submodules[f"{name}_ranks"] = ranks = PrefixSumFast(self.config)
        m.d.comb += [
            ranks.i.valid.eq(self.i.valid), ranks.i.payload.eq(mask),
            ranks.o.ready.eq(self.done),
        ]
        return offset_at(ranks.o.p, position)
