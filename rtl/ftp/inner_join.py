# SPDX-License-Identifier: Apache-2.0
"""Inner join: the positions that are non-zero on both sides, and what lies there."""

from amaranth import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import ReadPort
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from .match_scanner import MatchScanner, chunk_pair_layout, match_layout, offset_at
from .prefix_sum import PrefixSumLaggy
from .value_memory import read_port_signature

__all__ = ["InnerJoin", "pair_layout", "speculation_layout"]


def pair_layout(config: FTPConfig) -> data.StructLayout:
    """Return one matched pair.

    Members
    -------
    weight : signed(weight_bits)
        Weight at the matched position.
    word : unsigned(T)
        Lane word at the matched position; never zero.
    hit : unsigned(1)
        0: no match, sent only to carry ``last``; weight and word are void.
    last : unsigned(1)
        Nothing follows in this fiber pair.
    final : unsigned(1)
        As in the chunk pair; counts with ``last``.
    """
    return data.StructLayout({
        "weight": signed(config.weight_bits),
        "word": unsigned(config.timesteps),
        "hit": unsigned(1),
        "last": unsigned(1),
        "final": unsigned(1),
    })


def speculation_layout(config: FTPConfig) -> data.StructLayout:
    """Return a weight whose lane word is still to come.

    Members
    -------
    weight : signed(weight_bits)
        Weight at a matched position.
    hit : unsigned(1)
        0: no match, sent only to carry ``last``; the weight is void.
    last : unsigned(1)
        Nothing follows in this fiber pair.
    """
    return data.StructLayout({
        "weight": signed(config.weight_bits),
        "hit": unsigned(1),
        "last": unsigned(1),
    })


class InnerJoin(wiring.Component):
    """Join the chunks of a spike fiber and a weight fiber; send each matched pair.

    ``fast_fast`` (SparTen, MICRO 2019) ranks both masks by fast prefix sums. ``fast_laggy``
    (LoAS, MICRO 2024) ranks the spike mask by a laggy one: each weight goes out at once on
    ``o_speculation``, as if its lane word were all ones, and again on ``o`` with its word when
    that is known, so that the receiver can correct. The values lie in memories outside, read
    through ports with one cycle of latency that hold their data while ``en`` is low.

    Equal in every pair to ``spikeloom.models.golden.inner_join.inner_join``.

    Latency: to the first pair 2 cycles (``fast_fast``) or ``max(C/A + 2, 5)`` cycles
    (``fast_laggy``, whose speculation takes 2).
    Throughput: 1 match per cycle; a chunk without a match takes 1 cycle. The laggy prefix sum
    runs for the next chunk while the former drains; chunks with matches pass it at one in
    ``max(C/A, 2)`` cycles, others skip it. It costs nothing at full chunks if
    ``match_fifo_depth`` is at least ``C/A``.
    Back-pressure: a wait on ``o`` stops ``i``, with ``fast_laggy`` after ``match_fifo_depth + 2``
    matches; a wait on ``o_speculation`` stops ``i``.
    Reset: synchronous; drops everything at work.

    Parameters
    ----------
    config : FTPConfig

    Members
    -------
    i : In(stream.Signature(chunk_pair_layout(config)))
        Chunk pair; its weights must be in their memory when it comes.
    weights : In(read_port_signature(column_beats * V, signed(weight_bits)))
        To the weight memory, one weight per address.
    words : In(read_port_signature(row_values, unsigned(T)))
        To the lane word memory, one word per address.
    o_speculation : Out(stream.Signature(speculation_layout(config)))
        Weights ahead of their words (``fast_laggy``); never valid in ``fast_fast``.
    o : Out(stream.Signature(pair_layout(config)))
        Matched pairs in ascending position.
    done : Out(1)
        High in the cycle in which the last weight of a chunk is read.
    holds : Out(1)
        High while a chunk is scanned.
    match : Out(1)
        High in each cycle in which a match is found.
    """

    i: stream.Interface
    weights: ReadPort
    words: ReadPort
    o_speculation: stream.Interface
    o: stream.Interface
    done: Signal
    holds: Signal
    match: Signal

    def __init__(self, config: FTPConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(chunk_pair_layout(config))),
            "weights": In(read_port_signature(
                config.column_beats * config.beat_values, signed(config.weight_bits)
            )),
            "words": In(read_port_signature(config.row_values, unsigned(config.timesteps))),
            "o_speculation": Out(stream.Signature(speculation_layout(config))),
            "o": Out(stream.Signature(pair_layout(config))),
            "done": Out(1),
            "holds": Out(1),
            "match": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        laggy = self.config.inner_join == "fast_laggy"
        m.submodules.scanner = scanner = MatchScanner(self.config, rank_spikes=not laggy)
        m.d.comb += [
            scanner.i.payload.eq(self.i.payload),
            self.done.eq(scanner.done),
            self.holds.eq(scanner.holds),
            self.match.eq(scanner.o.valid & scanner.o.ready & scanner.o.p.hit),
            self.weights.addr.eq(scanner.o.p.weight_address),
            self.weights.en.eq(self.match),
        ]
        if laggy:
            self._join_laggy(m, scanner)
        else:
            self._join_fast(m, scanner)
        return m

    def _join_fast(self, m: Module, scanner: MatchScanner) -> None:
        """Read both values at once."""
        flow = Signal()
        m.d.comb += [
            scanner.i.valid.eq(self.i.valid),
            self.i.ready.eq(scanner.i.ready),
            flow.eq(~self.o.valid | self.o.ready),
            scanner.o.ready.eq(flow),
            self.words.addr.eq(scanner.o.p.spike_address),
            self.words.en.eq(self.match),
            self.o.p.weight.eq(self.weights.data),
            self.o.p.word.eq(self.words.data),
        ]
        with m.If(flow):
            m.d.sync += [
                self.o.valid.eq(scanner.o.valid),
                self.o.p.hit.eq(scanner.o.p.hit),
                self.o.p.last.eq(scanner.o.p.last),
                self.o.p.final.eq(scanner.o.p.final),
            ]

    def _join_laggy(self, m: Module, scanner: MatchScanner) -> None:
        """Read the weight, speculate, and read the lane word when its rank is known."""
        m.submodules.spike_ranks = ranks = PrefixSumLaggy(self.config)
        match = data.StructLayout({  # its weight has been read
            name: field.shape for name, field in match_layout(self.config)
            if name != "weight_address"
        })
        waiting = data.StructLayout({"match": match, "weight": signed(self.config.weight_bits)})
        m.submodules.matches = matches = SyncFIFOBuffered(  # one more in its output register
            width=waiting.size, depth=self.config.match_fifo_depth + 1
        )
        self._rank(m, scanner, ranks)
        self._speculate(m, scanner, matches, Signal(match))
        self._resolve(m, ranks, matches, data.View(waiting, matches.r_data))

    def _rank(self, m: Module, scanner: MatchScanner, ranks: PrefixSumLaggy) -> None:
        """Give each chunk to the scanner, and its spike mask to the laggy prefix sum if needed."""
        needed = (self.i.p.spike_mask & self.i.p.weight_mask).any()
        m.d.comb += [
            ranks.i.payload.eq(self.i.p.spike_mask),
            ranks.i.valid.eq(self.i.valid & needed & scanner.i.ready),
            scanner.i.valid.eq(self.i.valid & (ranks.i.ready | ~needed)),
            self.i.ready.eq(scanner.i.ready & (ranks.i.ready | ~needed)),
        ]

    def _speculate(self, m: Module, scanner: MatchScanner, matches: SyncFIFOBuffered,
                   match: data.View) -> None:
        """Send each weight ahead, and queue it with its match."""
        valid, flow = Signal(), Signal()
        m.d.comb += [
            flow.eq(~valid | (self.o_speculation.ready & matches.w_rdy)),
            scanner.o.ready.eq(flow),
            self.o_speculation.valid.eq(valid & matches.w_rdy),
            self.o_speculation.p.weight.eq(self.weights.data),
            self.o_speculation.p.hit.eq(match.hit),
            self.o_speculation.p.last.eq(match.last),
            matches.w_en.eq(valid & self.o_speculation.ready),
            matches.w_data.eq(Cat(match, self.weights.data)),
        ]
        with m.If(flow):
            m.d.sync += valid.eq(scanner.o.valid)
            m.d.sync += [match[name].eq(scanner.o.p[name]) for name, _ in match.shape()]

    def _resolve(self, m: Module, ranks: PrefixSumLaggy, matches: SyncFIFOBuffered, head) -> None:
        """Read the lane word of the oldest match and send the pair."""
        flow, step = Signal(), Signal()
        m.d.comb += [
            flow.eq(~self.o.valid | self.o.ready),
            step.eq(flow & matches.r_rdy & (ranks.o.valid | ~head.match.hit)),
            matches.r_en.eq(step),
            ranks.o.ready.eq(step & head.match.hit & head.match.end),
            self.words.addr.eq(
                head.match.spike_address + offset_at(ranks.o.p, head.match.position)
            ),
            self.words.en.eq(step & head.match.hit),
            self.o.p.word.eq(self.words.data),
        ]
        with m.If(flow):
            m.d.sync += self.o.valid.eq(step)
        with m.If(step):
            m.d.sync += [
                self.o.p.weight.eq(head.weight),
                self.o.p.hit.eq(head.match.hit),
                self.o.p.last.eq(head.match.last),
                self.o.p.final.eq(head.match.final),
            ]
