# SPDX-License-Identifier: Apache-2.0
"""Sums first: keys times values are added up in memory, and queries select of the sums."""

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from ..ftp.row_buffer import row_beat_layout
from .layouts import (
    attention_layout,
    chunk_choices,
    entry_layout,
    ones,
    part_of,
    sums_layout,
)
from .token_lister import TokenLister

__all__ = ["SumsFirst"]


class SumsFirst(wiring.Component):
    """Multiply queries with the sums over all tokens of keys times values.

    While ``keys`` is high, for each head and chunk of timesteps ``M[i][j]`` becomes the number
    of tokens and steps in which key i and value j fire; after that each token gives
    ``O[j] = sum of M[i][j] over the queries i that fire``. A sum lies in a memory, where A of
    them, and those of all chunks, are read and written at once.

    Latency: 3 cycles from the last entry of a group, see `TokenLister`, to its results. From
    ``start`` as many cycles as there are words of sums pass before the first token: one for each
    channel and group of its head (of the largest head that is built).
    Throughput: 1 entry per cycle.
    Back-pressure: none at ``o``; tokens wait for ``go``.
    Reset: synchronous; forgets all tokens and clears the errors, but not the sums: ``start`` does.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(attention_layout())
        What a token is; steady while ``busy``.
    start : In(1)
        Set the sums to zero.
    keys : In(1)
        Tokens add to the sums; else they give results. Steady while ``busy``.
    go : In(1)
        The next token may begin.
    i : In(stream.Signature(row_beat_layout(config)))
        Fibers of tokens: all queries, all keys, all values.
    o : Out(stream.Signature(sums_layout(config), always_ready=True))
        Results of each token, group by group.
    done : Out(1)
        A token is complete.
    active : Out(1)
        An entry is at work.
    moving : Out(1)
        That, or something else goes on in this cycle.
    busy : Out(1)
        High while the sums are set to zero, or a token is held or loaded.
    error : Out(1)
        Set for good when a fiber is too long.
    wrong_length : Out(1)
        Set for good when a fiber does not have the positions of a token.
    """

    layer: data.View
    start: Signal
    keys: Signal
    go: Signal
    i: stream.Interface
    o: stream.Interface
    done: Signal
    active: Signal
    moving: Signal
    busy: Signal
    error: Signal
    wrong_length: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(attention_layout()),
            "start": In(1),
            "keys": In(1),
            "go": In(1),
            "i": In(stream.Signature(row_beat_layout(config))),
            "o": Out(stream.Signature(sums_layout(config), always_ready=True)),
            "done": Out(1),
            "active": Out(1),
            "moving": Out(1),
            "busy": Out(1),
            "error": Out(1),
            "wrong_length": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, part = self.config, part_of(self.config)
        m.submodules.lister = lister = TokenLister(config)
        counts = data.ArrayLayout(data.ArrayLayout(range(part.count_limit + 1), part.adders),
                                  part.chunks)
        m.submodules.sums = sums = Memory(
            shape=counts, depth=max(part.channels * part.head_groups, 2), init=[])
        write = sums.write_port()
        read = sums.read_port(transparent_for=[write])
        entry, held, present = lister.o, Signal(), Signal(entry_layout(config))
        address, cleared = Signal(read.addr.shape()), Signal(read.addr.shape())
        clearing, clear_end = Signal(), Signal()
        channel, group = Signal(16), Signal(index_range(part.head_groups))  # that is cleared
        connect(m, flipped(self.i), lister.i)
        m.d.comb += [
            lister.layer.eq(self.layer), lister.keys.eq(self.keys),
            lister.go.eq(self.go & ~clearing & ~held & ~self.o.valid),
            entry.ready.eq(1), self.active.eq(entry.valid),
            self.moving.eq(entry.valid | clearing),
            read.addr.eq(entry.p.channel * part.head_groups + entry.p.group),
            read.en.eq(entry.valid),
            clear_end.eq((group == part.head_groups - 1) & (channel + 1 == self.layer.columns)),
            write.addr.eq(Mux(clearing, cleared, address)),
            write.en.eq(clearing | (held & self.keys)),
            self.done.eq(held & present.end),
            self.busy.eq(clearing | lister.busy | held | self.o.valid),
            self.error.eq(lister.error), self.wrong_length.eq(lister.wrong_length),
        ]
        m.d.sync += held.eq(entry.valid)
        with m.If(entry.valid):
            m.d.sync += [present.eq(entry.payload), address.eq(read.addr)]
        with m.If(clearing):
            last = group == part.head_groups - 1
            m.d.sync += [cleared.eq(cleared + 1), group.eq(Mux(last, 0, group + 1)),
                         channel.eq(channel + last)]
        with m.If(clear_end):
            m.d.sync += clearing.eq(0)
        with m.If(self.start):
            m.d.sync += [clearing.eq(1), cleared.eq(0), group.eq(0), channel.eq(0)]
        self._count(m, present, clearing, read, write)
        self._select(m, present, held, read)
        return m

    def _count(self, m: Module, present, clearing, read, write) -> None:
        """Add to the sums what key and values have in common, in each chunk."""
        config, part = self.config, part_of(self.config)
        masks = [Signal(config.timesteps, name=f"mask_{chunk}") for chunk in range(part.chunks)]
        with m.Switch(self.layer.chunk_steps):
            for size in chunk_choices(config):
                with m.Case(size):
                    m.d.comb += [mask.eq(((1 << size) - 1) << chunk * size)
                                 for chunk, mask in enumerate(masks)]
        for chunk, mask in enumerate(masks):
            for lane in range(part.adders):
                common = present.word & present.values[lane] & mask
                m.d.comb += write.data[chunk][lane].eq(
                    Mux(clearing, 0, read.data[chunk][lane] + ones(common)))

    def _select(self, m: Module, present, held, read) -> None:
        """Add up the sums that the queries of a token select, for each timestep."""
        config, part, o = self.config, part_of(self.config), self.o
        begins = Signal(init=1)
        with m.If(held):
            m.d.sync += begins.eq(present.last)
        m.d.sync += o.valid.eq(held & present.last & ~self.keys)
        for step in range(config.timesteps):
            chunk = Signal(index_range(part.chunks), name=f"chunk_{step}")
            with m.Switch(self.layer.chunk_steps):
                for size in chunk_choices(config):
                    with m.Case(size):
                        m.d.comb += chunk.eq(step // size)
            for lane in range(part.adders):
                reached = [read.data[index][lane]
                           for index in range(min(part.chunks, step + 1))]
                total = Mux(begins, 0, o.p.sums[lane][step])
                with m.If(held):
                    m.d.sync += o.p.sums[lane][step].eq(
                        total + Mux(present.word[step], Array(reached)[chunk], 0))
        with m.If(held):
            m.d.sync += [o.p.place.eq(present.place), o.p.end.eq(present.end)]
