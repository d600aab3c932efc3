# SPDX-License-Identifier: Apache-2.0
"""Event queue: spikes to come, sorted by their time as they arrive."""

from amaranth import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from .layouts import element_layout, timed_layout

__all__ = ["EventQueue"]


class EventQueue(wiring.Component):
    """Hold spikes in one list for each time; an element may be in one list once.

    The lists are linked through a memory with a place for each element, so that any number of
    spikes may wait, and none is looked at before its time. That memory has one port, and a spike
    that is stored goes before one that leaves.

    Latency: 2 cycles from ``take`` to the first spike. Throughput: 1 spike in per cycle, 1 spike
    out per 2 cycles in which none comes in.
    Back-pressure: a spike that waits on ``o`` stops the list; ``i`` is always ready.
    Reset: synchronous; forgets all spikes, as ``clear`` does.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    clear : In(1)
        Forget all spikes; nothing may be under way.
    i : In(stream.Signature(timed_layout(config), always_ready=True))
        Spikes to come.
    time : In(unsigned(config.time_bits))
        The list that ``take`` and ``pending`` are about.
    take : In(1)
        Begin to give out that list, as it is now; only while not ``busy``.
    o : Out(stream.Signature(element_layout(config)))
        The elements of the list.
    pending : Out(1)
        Whether the list of ``time`` has an element that is not given out yet.
    any : Out(1)
        Whether any list has one.
    busy : Out(1)
        High while a spike is being stored or a list given out.
    """

    clear: Signal
    i: stream.Interface
    time: Signal
    take: Signal
    o: stream.Interface
    pending: Signal
    any: Signal
    busy: Signal

    def __init__(self, config: TTFSConfig):
        self.config = config
        super().__init__({
            "clear": In(1),
            "i": In(stream.Signature(timed_layout(config), always_ready=True)),
            "time": In(unsigned(config.time_bits)),
            "take": In(1),
            "o": Out(stream.Signature(element_layout(config))),
            "pending": Out(1),
            "any": Out(1),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        element = element_layout(self.config)
        link = data.StructLayout({"element": element, "last": unsigned(1)})
        m.submodules.heads = heads = Memory(
            shape=element, depth=1 << self.config.time_bits, init=[])
        m.submodules.links = links = Memory(
            shape=link, depth=self.config.groups * self.config.lanes, init=[])
        head_write, link_write = heads.write_port(), links.write_port()
        head_read = heads.read_port(transparent_for=[head_write])
        link_read = links.read_port()
        link_address = Signal.like(link_read.addr)

        occupied = Signal(1 << self.config.time_bits)  # lists that are not empty
        storing = Signal()
        stored = Signal(timed_layout(self.config))
        heading, walking = Signal(), Signal()
        cursor = Signal(element)
        given, known, moves = Signal(), Signal(), Signal()  # the cursor's element, and its link
        m.d.comb += [
            head_read.addr.eq(Mux(self.i.valid, self.i.p.time, self.time)),
            head_write.addr.eq(stored.time), head_write.data.eq(stored.element),
            head_write.en.eq(storing),
            link_address.eq(Mux(storing, self._address(stored.element), self._address(cursor))),
            link_write.addr.eq(link_address), link_write.en.eq(storing),
            link_write.data.element.eq(head_read.data),
            link_write.data.last.eq(~occupied.bit_select(stored.time, 1)),
            link_read.addr.eq(link_address), link_read.en.eq(~storing),
            moves.eq(walking & known & (given | self.o.ready)),
            self.o.valid.eq(walking & ~given), self.o.payload.eq(cursor),
            self.pending.eq(occupied.bit_select(self.time, 1)),
            self.any.eq(occupied.any()),
            self.busy.eq(self.i.valid | storing | heading | walking),
        ]
        m.d.sync += [
            storing.eq(self.i.valid), stored.eq(self.i.payload), heading.eq(self.take),
            known.eq(walking & ~storing & ~moves),
            given.eq(walking & (given | self.o.ready) & ~moves),
            occupied.eq((occupied | storing << stored.time) & ~(self.take << self.time)),
        ]
        with m.If(heading):
            m.d.sync += [walking.eq(1), cursor.eq(head_read.data)]
        with m.If(moves):
            m.d.sync += [walking.eq(~link_read.data.last), cursor.eq(link_read.data.element)]
        with m.If(self.clear):
            m.d.sync += occupied.eq(0)
        return m

    def _address(self, element: data.View):
        return Cat(element.lane, element.group)
