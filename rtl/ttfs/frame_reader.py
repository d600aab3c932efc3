# SPDX-License-Identifier: Apache-2.0
"""Frame reader: configuration, weights and images from one AXI4-Stream."""

from typing import Any

from amaranth import Array, Module, Mux, Shape, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from ..ftp.layouts import index_range
from .descriptors import channel_entry_layout, edge_layout, map_layout, network_layout
from .edge_issuer import table_write_layout
from .first_layer import bias_layout

__all__ = ["FrameKind", "FrameReader", "Region", "TTFSError", "axis_word_layout", "region_shapes",
           "weight_word_layout"]


class FrameKind(enum.Enum, shape=8):
    """What a frame is, in bits 7..0 of its first word."""

    LOAD = 1  # entries of a region (bits 15..8), from the address in the second word on
    RUN = 2   # an image, 4 pixels a word; bit 8 early exit, bit 9 dump of all times


class Region(enum.Enum, shape=8):
    """What a load frame fills."""

    NETWORK = 0
    MAPS = 1
    EDGES = 2
    CHANNELS = 3
    WEIGHTS = 4
    BIASES = 5


class TTFSError(enum.Enum, shape=8):
    """Why the core has stopped."""

    NONE = 0
    KIND = 1           # the first word of a frame is illegal
    REGION = 2         # there is no such region
    ADDRESS = 3        # an entry lies behind the end of its region
    LENGTH = 4         # a load frame ends within an entry, or holds none
    NO_NETWORK = 5     # an image before the network
    IMAGE = 6          # an image is too short or too long
    CONFIGURATION = 7  # the network was made for another configuration


def axis_word_layout() -> data.StructLayout:
    """Return one word of an AXI4-Stream.

    Members
    -------
    word : unsigned(32)
        Data; the first byte is the lowest.
    last : unsigned(1)
        End of the frame.
    """
    return data.StructLayout({"word": unsigned(32), "last": unsigned(1)})


def weight_word_layout(config: TTFSConfig):
    """Return the weights of one tap and group."""
    return unsigned(config.weight_bits * config.lanes)


def region_shapes(config: TTFSConfig) -> dict[Region, tuple]:
    """Return the shape of an entry, and the number of entries, of each region.

    An entry is sent as the 32-bit words it fills, the lowest first.
    """
    return {
        Region.NETWORK: (network_layout(config), 1),
        Region.MAPS: (map_layout(config), config.maps),
        Region.EDGES: (edge_layout(config), config.edges),
        Region.CHANNELS: (channel_entry_layout(config), config.channel_entries),
        Region.WEIGHTS: (weight_word_layout(config), config.weight_words),
        Region.BIASES: (bias_layout(config), config.first_groups),
    }


class FrameReader(wiring.Component):
    """Take frames apart: entries of the memories, pixels, commands to run.

    An illegal frame stops the core for good: ``error`` says why.

    Latency: 1 cycle from the last word of an entry. Throughput: 1 word of a load frame per
    cycle, 1 pixel per cycle.
    Back-pressure: ``i`` waits while pixels are stored and while an image is at work.
    Reset: synchronous; forgets that there is a network, clears ``error``.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    i : In(stream.Signature(axis_word_layout()))
        Frames.
    network : Out(network_layout(config))
        The network loaded.
    o_map : Out(stream.Signature(table_write_layout(map_layout(config), config.maps), \
always_ready=True))
        Maps to load.
    o_edge : Out(stream.Signature(table_write_layout(edge_layout(config), config.edges), \
always_ready=True))
        Edges to load.
    o_channel : Out(stream.Signature(table_write_layout(channel_entry_layout(config), \
config.channel_entries), always_ready=True))
        Channels to load.
    o_weights : Out(stream.Signature(table_write_layout(weight_word_layout(config), \
config.weight_words), always_ready=True))
        Weights to load.
    o_bias : Out(stream.Signature(table_write_layout(bias_layout(config), config.first_groups), \
always_ready=True))
        Biases to load.
    begin : Out(1)
        High for one cycle when an image begins.
    pixel : Out(unsigned(8))
        The next pixel.
    write : Out(1)
        Whether there is one.
    complete : In(1)
        Whether it is the last of the image.
    run : Out(1)
        High for one cycle when the image is stored.
    early_exit : Out(1)
        End with the first spike of a class.
    dump : Out(1)
        Send all spike times.
    done : In(1)
        High for one cycle when the result is out.
    error : Out(TTFSError)
        Why the core has stopped.
    """

    i: stream.Interface
    network: data.View
    o_map: stream.Interface
    o_edge: stream.Interface
    o_channel: stream.Interface
    o_weights: stream.Interface
    o_bias: stream.Interface
    begin: Signal
    pixel: Signal
    write: Signal
    complete: Signal
    run: Signal
    early_exit: Signal
    dump: Signal
    done: Signal
    error: Signal

    def __init__(self, config: TTFSConfig):
        self.config = config
        self._shapes = region_shapes(config)
        names = ("o_map", "o_edge", "o_channel", "o_weights", "o_bias")
        super().__init__({
            "i": In(stream.Signature(axis_word_layout())),
            "network": Out(network_layout(config)),
            **{name: Out(stream.Signature(table_write_layout(*shape), always_ready=True))
               for name, shape in zip(names, list(self._shapes.values())[1:], strict=True)},
            "begin": Out(1),
            "pixel": Out(unsigned(8)),
            "write": Out(1),
            "complete": In(1),
            "run": Out(1),
            "early_exit": Out(1),
            "dump": Out(1),
            "done": In(1),
            "error": Out(TTFSError),
        })

    def elaborate(self, platform):
        m = Module()
        words = [-(-Shape.cast(shape).width // 32) for shape, _ in self._shapes.values()]
        region = Signal(range(len(words)))
        address = Signal(range(2 * max(depth for _, depth in self._shapes.values())))
        entry = Signal(32 * max(words[1:]))  # of all but the network
        index = Signal(index_range(max(words)))
        filled, loaded, full = Signal(), Signal(), Signal()
        known = Signal()  # the configuration
        header = Signal(data.StructLayout({"kind": 8, "argument": 8, "rest": 16}))
        held, left = Signal(32), Signal(range(5))
        final = Signal()  # the held word ends its frame
        flaw: Any = Signal(TTFSError)  # of the filled entry
        sound = (self.error == TTFSError.NONE) & (flaw == TTFSError.NONE)
        word = self.i.p.word
        m.d.comb += [header.as_value().eq(word),
                     full.eq(index == Array(count - 1 for count in words)[region]),
                     self.pixel.eq(held[:8])]
        m.d.sync += [filled.eq(0), self.begin.eq(0), self.run.eq(0)]
        with m.If(filled):
            m.d.sync += address.eq(address + 1)
        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += self.i.ready.eq(sound)
                m.d.sync += [index.eq(0), left.eq(0), region.eq(header.argument)]
                with m.If(self.i.valid & self.i.ready):
                    self._begin(m, header, loaded)
            with m.State("ADDRESS"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += address.eq(Mux(word[len(address):].any(), ~0, word))
                    m.next = "ENTRIES"
                    with m.If(self.i.p.last):
                        self._stop(m, TTFSError.LENGTH)
            with m.State("ENTRIES"):
                m.d.comb += self.i.ready.eq(sound)
                with m.If(self.i.valid & self.i.ready):
                    m.d.sync += [filled.eq(full), index.eq(Mux(full, 0, index + 1))]
                    with m.If(region == Region.NETWORK.value):
                        m.d.sync += self.network.as_value().word_select(index, 32).eq(word)
                        with m.If(index == 0):
                            m.d.sync += known.eq(word == int(self.config.hash()[:8], 16))
                    with m.Else():
                        m.d.sync += entry.word_select(index, 32).eq(word)
                    with m.If(self.i.p.last):
                        m.next = "HEADER"
                        with m.If(~full):
                            self._stop(m, TTFSError.LENGTH)
            with m.State("PIXELS"):
                self._pixels(m, held, left, final)
            with m.State("RUN"):
                with m.If(self.done):
                    m.next = "HEADER"
            with m.State("STOPPED"):
                pass
        with m.If(flaw != TTFSError.NONE):
            m.d.sync += self.error.eq(flaw)
        self._load(m, filled, region, address, entry, flaw)
        with m.If(filled & (region == Region.NETWORK.value) & (address == 0)):
            m.d.sync += loaded.eq(known)
            with m.If(~known):
                m.d.comb += flaw.eq(TTFSError.CONFIGURATION)
        return m

    def _stop(self, m: Module, error: TTFSError) -> None:
        m.d.sync += [self.error.eq(error), self.begin.eq(0)]
        m.next = "STOPPED"

    def _begin(self, m: Module, header: data.View, loaded: Signal) -> None:
        """Take the first word of a frame."""
        with m.If((header.kind == FrameKind.LOAD) & (header.rest == 0)):
            m.next = "ADDRESS"
            with m.If(header.argument >= len(self._shapes)):
                self._stop(m, TTFSError.REGION)
            with m.Elif(self.i.p.last):
                self._stop(m, TTFSError.LENGTH)
        with m.Elif((header.kind == FrameKind.RUN) & (header.rest == 0) & (header.argument < 4)):
            m.d.sync += [self.begin.eq(1), self.early_exit.eq(header.argument[0]),
                         self.dump.eq(header.argument[1])]
            m.next = "PIXELS"
            with m.If(~loaded):
                self._stop(m, TTFSError.NO_NETWORK)
            with m.Elif(self.i.p.last):
                self._stop(m, TTFSError.IMAGE)
        with m.Else():
            self._stop(m, TTFSError.KIND)

    def _pixels(self, m: Module, held: Signal, left: Signal, final: Signal) -> None:
        """Take words apart until the image is complete."""
        m.d.comb += [self.write.eq(left != 0),
                     self.i.ready.eq((left == 0) | ((left == 1) & ~final & ~self.complete))]
        with m.If(left != 0):
            m.d.sync += [left.eq(left - 1), held.eq(held >> 8)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [left.eq(4), held.eq(self.i.p.word), final.eq(self.i.p.last)]
        with m.If(self.write & self.complete):
            m.d.sync += [self.run.eq(final), left.eq(0)]
            m.next = "RUN"
            with m.If(~final):
                self._stop(m, TTFSError.IMAGE)
        with m.Elif((left == 1) & final):
            self._stop(m, TTFSError.IMAGE)

    def _load(self, m: Module, filled: Signal, region: Signal, address: Signal, entry: Signal,
              flaw: Any) -> None:
        """Hand a filled entry to its memory."""
        streams = (None, self.o_map, self.o_edge, self.o_channel, self.o_weights, self.o_bias)
        for number, ((shape, depth), writes) in enumerate(
                zip(self._shapes.values(), streams, strict=True)):
            chosen = filled & (region == number)
            with m.If(chosen & (address >= depth)):
                m.d.comb += flaw.eq(TTFSError.ADDRESS)
            if writes is not None:
                m.d.comb += [writes.p.address.eq(address),
                             writes.p.entry.eq(entry[:Shape.cast(shape).width]),
                             writes.valid.eq(chosen & (address < depth))]
