# SPDX-License-Identifier: Apache-2.0
"""Token loader: the fibers of tokens, expanded, and what each of their slices is."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from ..ftp.row_buffer import row_beat_layout
from ..pe.row_expander import RowExpander
from .layouts import attention_layout, part_of

__all__ = ["Section", "TokenLoader", "token_slice_layout"]


class Section(enum.Enum, shape=2):
    """Of a token's channels."""

    QUERIES = 0
    KEYS = 1
    VALUES = 2
    BEHIND = 3  # what fills the last chunk


def token_slice_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return ``V`` channels of a token, all of one head.

    Members
    -------
    words : data.ArrayLayout(unsigned(T), V)
        Lane words.
    section : Section
        What they are.
    index : index_range(config.attention.channels // V)
        Which slice of the section it is.
    place : index_range(config.attention.groups)
        Group that the slice is in, among those of all heads.
    shared : index_range(config.attention.adders // V)
        Which slice of its group it is.
    last : unsigned(1)
        Last slice of the token.
    """
    part = part_of(config)
    return data.StructLayout({
        "words": data.ArrayLayout(unsigned(config.timesteps), config.beat_values),
        "section": Section,
        "index": index_range(part.channels // config.beat_values),
        "place": index_range(part.groups),
        "shared": index_range(part.adders // config.beat_values),
        "last": unsigned(1),
    })


class TokenLoader(wiring.Component):
    """Expand the fibers of tokens and count their channels.

    Latency: that of `RowExpander`. Throughput: V positions per cycle.
    Back-pressure: a slice that waits on ``o`` stops ``i``.
    Reset: synchronous; forgets all tokens and clears the errors.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(attention_layout())
        What a token is; steady while one is at work.
    i : In(stream.Signature(row_beat_layout(config)))
        Fibers of tokens: all queries, all keys, all values.
    o : Out(stream.Signature(token_slice_layout(config)))
        Their slices.
    error : Out(1)
        Set for good when a fiber is too long.
    wrong_length : Out(1)
        Set for good when a fiber does not have the positions of a token.
    """

    layer: data.View
    i: stream.Interface
    o: stream.Interface
    error: Signal
    wrong_length: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(attention_layout()),
            "i": In(stream.Signature(row_beat_layout(config))),
            "o": Out(stream.Signature(token_slice_layout(config))),
            "error": Out(1),
            "wrong_length": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        lanes, size, layer, o = (
            self.config.beat_values, part_of(self.config).adders, self.layer, self.o.p)
        m.submodules.expander = expander = RowExpander(self.config)
        connect(m, flipped(self.i), expander.i)
        section = Signal(Section)
        index, place, shared = (Signal.like(o[name], name=name)
                                for name in ("index", "place", "shared"))
        head, channel = Signal(8), Signal(16)     # the latter of the slice's first position
        head_end, section_end, group_end = Signal(), Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(expander.o.valid), expander.o.ready.eq(self.o.ready),
            o.words.eq(expander.o.p.values), o.section.eq(section), o.index.eq(index),
            o.place.eq(place), o.shared.eq(shared), o.last.eq(expander.o.p.last),
            head_end.eq(channel + lanes >= layer.head_channels),
            section_end.eq(head_end & (head + 1 == layer.heads)),
            group_end.eq(head_end | (shared == size // lanes - 1)),
            self.error.eq(expander.error),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                index.eq(Mux(section_end, 0, index + 1)),
                channel.eq(Mux(head_end, 0, channel + lanes)),
                head.eq(Mux(section_end, 0, head + head_end)),
                shared.eq(Mux(group_end, 0, shared + 1)),
                place.eq(Mux(section_end, 0, place + group_end)),
            ]
            with m.If(section_end & (section != Section.BEHIND)):
                m.d.sync += section.as_value().eq(section.as_value() + 1)
            with m.If(o.last):
                m.d.sync += [section.eq(Section.QUERIES), index.eq(0), head.eq(0), channel.eq(0),
                             shared.eq(0), place.eq(0)]
                with m.If((section != Section.BEHIND)
                          & ~((section == Section.VALUES) & section_end)):
                    m.d.sync += self.wrong_length.eq(1)
        return m
