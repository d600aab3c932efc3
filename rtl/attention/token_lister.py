# SPDX-License-Identifier: Apache-2.0
"""Token lister: the fibers of tokens in, their queries or keys out, those that are not silent."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from ..ftp.row_buffer import row_beat_layout
from ..one_hot import encode
from .layouts import attention_layout, entry_layout, part_of
from .token_loader import Section, TokenLoader

__all__ = ["TokenLister"]


class TokenLister(wiring.Component):
    """Hold two tokens: one is listed while the other one is loaded.

    For each head, and there for each group of its channels, the queries or, with ``keys``, the
    keys of the head are listed, lowest channel first, without those that are silent. Keys come
    with the values of the group, and not at all if these are silent. A group has an entry at
    least; its word is zero if there is nothing to add.

    Latency: 2 cycles from the last slice of a token to its first entry.
    Throughput: V positions and 1 entry per cycle; V channels that are silent take a cycle, too.
    Between two tokens 2 cycles are lost.
    Back-pressure: an entry that waits on ``o`` holds its token; with two of them held ``i``
    stops.
    Reset: synchronous; forgets all tokens and clears the errors.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(attention_layout())
        What a token is; steady while ``busy``.
    keys : In(1)
        List keys, with values; steady while ``busy``.
    go : In(1)
        The next token may begin.
    i : In(stream.Signature(row_beat_layout(config)))
        Fibers of tokens: all queries, all keys, all values.
    o : Out(stream.Signature(entry_layout(config)))
        Entries of each token.
    busy : Out(1)
        High while a token is held or loaded.
    error : Out(1)
        Set for good when a fiber is too long.
    wrong_length : Out(1)
        Set for good when a fiber does not have the positions of a token.
    """

    layer: data.View
    keys: Signal
    go: Signal
    i: stream.Interface
    o: stream.Interface
    busy: Signal
    error: Signal
    wrong_length: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(attention_layout()),
            "keys": In(1),
            "go": In(1),
            "i": In(stream.Signature(row_beat_layout(config))),
            "o": Out(stream.Signature(entry_layout(config))),
            "busy": Out(1),
            "error": Out(1),
            "wrong_length": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, part = self.config, part_of(self.config)
        width = unsigned(config.timesteps)
        slices = part.channels // config.beat_values
        m.submodules.words = words = Memory(
            shape=data.ArrayLayout(width, config.beat_values), depth=2 * slices, init=[])
        m.submodules.values = values = Memory(
            shape=data.ArrayLayout(width, part.adders), depth=2 * part.groups, init=[])
        full, loading, release = Signal(range(3)), Signal(), Signal()
        loaded = self._load(m, words, values, full, loading)
        m.d.sync += full.eq(full + loaded - release)
        held = self._list(m, words.read_port(), values.read_port(), full, release)
        m.d.comb += self.busy.eq((full != 0) | loading | held)
        return m

    def _load(self, m: Module, words: Memory, values: Memory, full, loading) -> Signal:
        """Store what is wanted of a token; return whether it is complete in this cycle."""
        part = part_of(self.config)
        m.submodules.loader = loader = TokenLoader(self.config)
        connect(m, flipped(self.i), loader.i)
        o, take, loaded, bank = loader.o, Signal(), Signal(), Signal()
        lanes = self.config.beat_values
        write, write_values = words.write_port(), values.write_port(granularity=lanes)
        m.d.comb += [
            loader.layer.eq(self.layer), o.ready.eq(full != 2), take.eq(o.valid & o.ready),
            loaded.eq(take & o.p.last),
            write.en.eq(take & Mux(self.keys, o.p.section == Section.KEYS,
                                   o.p.section == Section.QUERIES)),
            write.addr.eq(Mux(bank, words.depth // 2, 0) + o.p.index),
            write.data.eq(o.p.words),
            write_values.en.eq(Mux(take & (o.p.section == Section.VALUES) & self.keys,
                                   1 << o.p.shared, 0)),
            write_values.addr.eq(Mux(bank, part.groups, 0) + o.p.place),
            Cat(*write_values.data).eq(Cat(*[Cat(*o.p.words)] * (part.adders // lanes))),
            self.error.eq(loader.error), self.wrong_length.eq(loader.wrong_length),
        ]
        with m.If(take):
            m.d.sync += loading.eq(~loaded)
        with m.If(loaded):
            m.d.sync += bank.eq(~bank)
        return loaded

    def _list(self, m: Module, words, values, full, release) -> Signal:
        """Walk over a token and list its entries; return whether slices of one are at work."""
        config, part, layer, o = self.config, part_of(self.config), self.layer, self.o
        lanes = config.beat_values
        bank, begun, held, step, done = (Signal(name=name) for name in (
            "list_bank", "begun", "held", "step", "done"))
        first, index = (Signal(index_range(part.channels // lanes), name=name)
                        for name in ("first_slice", "list_slice"))  # of the head; of all
        channel, base, head = (Signal(16, name="list_channel"), Signal(16, name="group_channel"),
                               Signal(8, name="list_head"))
        group, place = Signal(o.p.group.shape()), Signal(o.p.place.shape())
        slice_end, group_end, token_end = Signal(), Signal(), Signal()
        m.d.comb += [
            slice_end.eq(channel + lanes >= layer.head_channels),
            group_end.eq(slice_end & (base + part.adders >= layer.head_channels)),
            token_end.eq(group_end & (head + 1 == layer.heads)),
            step.eq((full != 0) & Mux(begun, ~held | done, self.go & ~held)),
            release.eq(step & token_end),
            words.en.eq(step), words.addr.eq(Mux(bank, words.memory.depth // 2, 0) + index),
            values.en.eq(step), values.addr.eq(Mux(bank, part.groups, 0) + place),
        ]
        with m.If(step):
            m.d.sync += [
                begun.eq(~token_end), bank.eq(bank ^ token_end),
                channel.eq(Mux(slice_end, 0, channel + lanes)),
                base.eq(Mux(slice_end, Mux(group_end, 0, base + part.adders), base)),
                head.eq(Mux(token_end, 0, head + group_end)),
                index.eq(Mux(token_end, 0, Mux(slice_end & ~group_end, first, index + 1))),
                group.eq(Mux(group_end, 0, group + slice_end)),
                place.eq(Mux(token_end, 0, place + slice_end)),
            ]
            with m.If(group_end):
                m.d.sync += first.eq(Mux(token_end, 0, index + 1))

        number = Signal.like(index, name="number")
        closes, ends = Signal(), Signal()      # the group, the token
        given, pending, rest = Signal(lanes), Signal(lanes), Signal(lanes)
        heard = ~self.keys | Cat(*values.data).any()
        m.d.comb += [
            pending.eq(Cat(word.any() & heard for word in words.data) & ~given),
            rest.eq(pending & (pending - 1)),
            o.valid.eq(held & (pending.any() | closes)),
            done.eq(held & ~rest.any() & (o.ready | ~o.valid)),
            o.p.values.eq(values.data), o.p.last.eq(closes & ~rest.any()),
            o.p.end.eq(ends & ~rest.any()),
        ]
        chosen = pending & ~rest
        word = Signal(config.timesteps)
        for lane in range(lanes):
            with m.If(chosen[lane]):
                m.d.comb += word.eq(words.data[lane])
        m.d.comb += [o.p.word.eq(word), o.p.channel.eq(number * lanes + encode(m, chosen))]
        with m.If(o.valid & o.ready):
            m.d.sync += given.eq(given | chosen)
        with m.If(done | ~held):
            m.d.sync += [held.eq(step), given.eq(0)]
        with m.If(step):
            m.d.sync += [number.eq(index), closes.eq(slice_end), ends.eq(token_end),
                         o.p.group.eq(group), o.p.place.eq(place)]
        return held
