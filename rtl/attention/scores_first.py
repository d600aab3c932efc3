# SPDX-License-Identifier: Apache-2.0
"""Scores first: each query meets all keys, and what they have in common weighs the values."""

from amaranth import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from ..ftp.row_buffer import row_beat_layout
from .layouts import attention_layout, chunk_choices, ones, part_of, sums_layout
from .token_loader import Section, TokenLoader

__all__ = ["ScoresFirst"]


class ScoresFirst(wiring.Component):
    """Multiply queries with all keys, and the values with these scores: the baseline.

    While ``keys`` is high, keys and values of all tokens are kept. After that each token walks
    over all of them, head by head: its score with a token and a step of its chunk is the number
    of channels in which query and key fire, and is added to the results of those values that fire.
    The results are those of `SumsFirst`, in the same order.

    Latency: 3 cycles from the last score of a head to its results.
    Throughput: a head of a query and a token take as many cycles as the head has slices of V
    channels or, if that is more, as it has groups times steps of a chunk; then no scores but zero
    take 1.
    Back-pressure: none at ``o``; tokens wait for ``go``.
    Reset: synchronous; forgets all tokens and clears the errors.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(attention_layout())
        What a token is; steady while ``busy``.
    start : In(1)
        Forget all keys.
    keys : In(1)
        Tokens are kept; else they give results. Steady while ``busy``.
    go : In(1)
        The next token may begin.
    i : In(stream.Signature(row_beat_layout(config)))
        Fibers of tokens: all queries, all keys, all values.
    o : Out(stream.Signature(sums_layout(config), always_ready=True))
        Results of each token, group by group.
    done : Out(1)
        A token is complete.
    active : Out(1)
        Scores are added.
    moving : Out(1)
        That, or something else goes on in this cycle.
    busy : Out(1)
        High while a token is held or loaded.
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
        slices, words = part.channels // config.beat_values, data.ArrayLayout(
            config.timesteps, config.beat_values)
        m.submodules.query_words = queries = Memory(shape=words, depth=max(slices, 2), init=[])
        m.submodules.key_words = keys = Memory(
            shape=words, depth=max(part.tokens * slices, 2), init=[])
        m.submodules.value_words = values = Memory(
            shape=data.ArrayLayout(config.timesteps, part.adders),
            depth=max(part.tokens * part.groups, 2), init=[])
        known, full, loading, release = (Signal(range(part.tokens + 1)), Signal(), Signal(),
                                         Signal())
        partners = self._partners(m)
        kept = self._keep(m, queries, keys, values, known, full, loading)
        scores = stream.Signature(self._scores_layout()).create(path=("scores",))
        adding = self._add(m, values.read_port(), scores, partners)
        may_begin = self.go & ~scores.valid & ~adding
        scoring = self._score(m, queries.read_port(), keys.read_port(), known, full, release,
                              scores, partners, may_begin)
        with m.If(release):
            m.d.sync += full.eq(0)
        m.d.comb += [
            self.done.eq(Mux(self.keys, kept, self.o.valid & self.o.p.end)),
            self.busy.eq(full | loading | scoring | adding),
        ]
        return m

    def _scores_layout(self) -> data.StructLayout:
        """Return the scores of a query's head with a token, and what they belong to."""
        part = part_of(self.config)
        row = data.ArrayLayout(range(part.head_channels + 1), part.chunk_steps)
        return data.StructLayout({
            "scores": data.ArrayLayout(row, self.config.timesteps),
            "address": index_range(part.tokens * part.groups),  # of the first group's values
            "place": index_range(part.groups), "begins": 1, "ends": 1, "final": 1,
        })

    def _partners(self, m: Module) -> list[list[Signal]]:
        """Return for each timestep the steps of its chunk; 0, which is harmless, beyond its end."""
        config, part = self.config, part_of(self.config)
        partners = [[Signal(index_range(config.timesteps), name=f"partner_{step}_{index}")
                     for index in range(part.chunk_steps)] for step in range(config.timesteps)]
        with m.Switch(self.layer.chunk_steps):
            for size in chunk_choices(config):
                with m.Case(size):
                    m.d.comb += [partners[step][index].eq(step // size * size + index)
                                 for step in range(config.timesteps) for index in range(size)]
        return partners

    def _keep(self, m: Module, queries, keys, values, known, full, loading) -> Signal:
        """Keep keys and values of all tokens, and the query of one; return when one is kept."""
        config, part = self.config, part_of(self.config)
        m.submodules.loader = loader = TokenLoader(config)
        connect(m, flipped(self.i), loader.i)
        o, take, kept, lanes = loader.o, Signal(), Signal(), config.beat_values
        write_query, write_key = queries.write_port(), keys.write_port()
        write_values = values.write_port(granularity=lanes)
        m.d.comb += [
            loader.layer.eq(self.layer), o.ready.eq(self.keys | ~full),
            take.eq(o.valid & o.ready), kept.eq(take & o.p.last & self.keys),
            write_query.en.eq(take & ~self.keys & (o.p.section == Section.QUERIES)),
            write_query.addr.eq(o.p.index), write_query.data.eq(o.p.words),
            write_key.en.eq(take & self.keys & (o.p.section == Section.KEYS)),
            write_key.addr.eq(known * (part.channels // lanes) + o.p.index),
            write_key.data.eq(o.p.words),
            write_values.en.eq(Mux(take & self.keys & (o.p.section == Section.VALUES),
                                   1 << o.p.shared, 0)),
            write_values.addr.eq(known * part.groups + o.p.place),
            Cat(*write_values.data).eq(Cat(*[Cat(*o.p.words)] * (part.adders // lanes))),
            self.error.eq(loader.error), self.wrong_length.eq(loader.wrong_length),
        ]
        with m.If(take):
            m.d.sync += loading.eq(~o.p.last)
        with m.If(take & o.p.last & ~self.keys):
            m.d.sync += full.eq(1)
        with m.If(kept & (known != part.tokens)):
            m.d.sync += known.eq(known + 1)
        with m.If(self.start):
            m.d.sync += known.eq(0)
        return kept

    def _score(self, m: Module, query, key, known, full, release, scores, partners,
               may_begin) -> Value:
        """Walk over heads, tokens and slices, and count what query and key have in common."""
        part, layer, lanes = part_of(self.config), self.layer, self.config.beat_values
        slices = part.channels // lanes
        begun, held, flow, step = Signal(), Signal(), Signal(), Signal()
        head, channel, base = Signal(8), Signal(16), Signal(16)  # slices before the head
        token, place = Signal(range(part.tokens + 1)), Signal(scores.p.place.shape())
        groups = (layer.head_channels + part.adders - 1) >> (part.adders.bit_length() - 1)
        slice_end, head_end, token_end = Signal(), Signal(), Signal()
        index = base + (channel >> (lanes.bit_length() - 1))
        now = Signal(data.StructLayout({
            "address": scores.p.address.shape(), "place": scores.p.place.shape(),
            "begins": 1, "ends": 1, "final": 1, "first": 1, "last": 1}))
        m.d.comb += [
            slice_end.eq(channel + lanes >= layer.head_channels),
            head_end.eq(slice_end & (token + 1 == known)),
            token_end.eq(head_end & (head + 1 == layer.heads)),
            flow.eq(~(held & now.last) | ~scores.valid | scores.ready),
            step.eq(full & flow & (begun | (may_begin & ~held))),
            release.eq(step & token_end), self.moving.eq(step | self.active),
            query.en.eq(step), query.addr.eq(index),
            key.en.eq(step), key.addr.eq(token * slices + index),
        ]
        with m.If(step):
            m.d.sync += [
                begun.eq(~token_end), channel.eq(Mux(slice_end, 0, channel + lanes)),
                token.eq(Mux(head_end, 0, token + slice_end)),
                head.eq(Mux(token_end, 0, head + head_end)),
                now.address.eq(token * part.groups + place), now.place.eq(place),
                now.begins.eq(token == 0), now.ends.eq(token + 1 == known),
                now.final.eq(head + 1 == layer.heads), now.first.eq(channel == 0),
                now.last.eq(slice_end),
            ]
        with m.If(step & head_end):
            m.d.sync += [base.eq(Mux(token_end, 0, index + 1)),
                         place.eq(Mux(token_end, 0, place + groups))]
        with m.If(flow):
            m.d.sync += held.eq(step)
        with m.If(scores.ready):
            m.d.sync += scores.valid.eq(0)
        with m.If(held & flow & now.last):
            m.d.sync += [scores.valid.eq(1), *(
                scores.p[name].eq(now[name])
                for name in ("address", "place", "begins", "ends", "final"))]
        for time, others in enumerate(partners):
            for number, other in enumerate(others):
                count = Signal(range(part.head_channels + 1), name=f"count_{time}_{number}")
                total = Signal.like(count, name=f"total_{time}_{number}")
                common = Cat(query.data[lane][time] & key.data[lane].bit_select(other, 1)
                             for lane in range(lanes))
                m.d.comb += total.eq(Mux(now.first, 0, count) + Mux(
                    number < layer.chunk_steps, ones(common), 0))
                with m.If(held & flow):
                    m.d.sync += count.eq(total)
                with m.If(held & flow & now.last):
                    m.d.sync += scores.p.scores[time][number].eq(total)
        return held | scores.valid

    def _add(self, m: Module, values, scores, partners) -> Value:
        """Add the scores to the results, for each group and each step of a chunk."""
        config, part, layer, o = self.config, part_of(self.config), self.layer, self.o
        m.submodules.partial = partial = Memory(
            shape=o.p.sums.shape(), depth=max(part.head_groups, 2), init=[])
        write = partial.write_port()
        read = partial.read_port(transparent_for=[write])
        group, number = Signal(index_range(part.head_groups)), Signal(
            index_range(part.chunk_steps))
        channel = Signal(16)                  # first one of the group, in the head
        known = Signal()                      # the head has results
        step_end, group_end, skip, held = Signal(), Signal(), Signal(), Signal()
        now = Signal(data.StructLayout({
            "scores": data.ArrayLayout(range(part.head_channels + 1), config.timesteps),
            "number": number.shape(), "group": group.shape(), "place": o.p.place.shape(),
            "fresh": 1, "gives": 1, "end": 1}))
        m.d.comb += [
            skip.eq(~scores.p.scores.as_value().any() & ~scores.p.ends),
            self.active.eq(scores.valid & ~skip),
            step_end.eq(number + 1 == layer.chunk_steps),
            group_end.eq(step_end & (channel + part.adders >= layer.head_channels)),
            scores.ready.eq(skip | group_end),
            values.en.eq(self.active), values.addr.eq(scores.p.address + group),
            read.en.eq(self.active), read.addr.eq(group),
            write.en.eq(held), write.addr.eq(now.group),
        ]
        with m.If(self.active):
            m.d.sync += [
                number.eq(Mux(step_end, 0, number + 1)),
                group.eq(Mux(group_end, 0, group + step_end)),
                channel.eq(Mux(group_end, 0, channel + Mux(step_end, part.adders, 0))),
                now.number.eq(number), now.group.eq(group), now.place.eq(scores.p.place + group),
                now.fresh.eq((scores.p.begins | ~known) & (number == 0)),
                now.gives.eq(scores.p.ends & step_end),
                now.end.eq(scores.p.ends & scores.p.final & group_end),
                *(now.scores[time].eq(Array(scores.p.scores[time])[number])
                  for time in range(config.timesteps)),
            ]
        with m.If(scores.valid & scores.ready):
            m.d.sync += known.eq(~scores.p.ends & (known & ~scores.p.begins | ~skip))
        m.d.sync += [held.eq(self.active), o.valid.eq(held & now.gives)]
        with m.If(held):
            m.d.sync += [o.p.place.eq(now.place), o.p.end.eq(now.end)]
        for time, others in enumerate(partners):
            other = Array(others)[now.number]
            for lane in range(part.adders):
                total = write.data[lane][time]
                m.d.comb += total.eq(Mux(now.fresh, 0, read.data[lane][time]) + Mux(
                    values.data[lane].bit_select(other, 1), now.scores[time], 0))
                with m.If(held):
                    m.d.sync += o.p.sums[lane][time].eq(total)
        return held | o.valid
