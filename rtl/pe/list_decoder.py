# SPDX-License-Identifier: Apache-2.0
"""List decoder: deltas of a weight list in, places out."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ConfigError, ElementConfig
from .layouts import list_beat_layout

__all__ = ["ListDecoder", "delta_beat_layout", "delta_slot_layout"]


def delta_slot_layout(config: ElementConfig, delta_bits: int) -> data.StructLayout:
    """Return one slot of a weight list.

    Members
    -------
    delta : unsigned(delta_bits)
        Places of the bank between the slot before, or the column's begin, and this one.
    weight : signed(weight_bits)
        Weight at this place; zero if the slot only fills a gap or a beat.

    Raises
    ------
    ConfigError
        ``delta_bits`` is not in 1..16.
    """
    if not 1 <= delta_bits <= 16:
        raise ConfigError(f"delta_bits must be an int in 1..16, not {delta_bits!r}")
    return data.StructLayout({
        "delta": unsigned(delta_bits),
        "weight": signed(config.weight_bits),
    })


def delta_beat_layout(config: ElementConfig, delta_bits: int) -> data.StructLayout:
    """Return one beat of a weight list: a slot of each bank.

    Members
    -------
    slots : data.ArrayLayout(delta_slot_layout(config, delta_bits), b)
        Slot i is of bank i.
    column_end : unsigned(1)
        Last beat of its column.
    final : unsigned(1)
        Last column of the tile; counts with ``column_end``.
    """
    return data.StructLayout({
        "slots": data.ArrayLayout(delta_slot_layout(config, delta_bits), config.probes),
        "column_end": unsigned(1),
        "final": unsigned(1),
    })


class ListDecoder(wiring.Component):
    """Add the deltas of a weight list up to places.

    Each bank counts from -1 in each column: ``place += delta + 1``; there is a weight at that
    place unless the slot's weight is zero. A layer whose deltas have fewer bits leaves the upper
    ones zero.

    Equal in every entry to ``spikeloom.models.golden.weight_list.list_entries``.

    Latency: 1 cycle. Throughput: 1 beat per cycle.
    Back-pressure: a beat that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops the beat at work, begins a column and clears ``error``.

    Parameters
    ----------
    config : ElementConfig
    delta_bits : int
        Bits of a delta, 1..16.

    Members
    -------
    i : In(stream.Signature(delta_beat_layout(config, delta_bits)))
        Beats of slots.
    o : Out(stream.Signature(list_beat_layout(config)))
        The same beats with places.
    error : Out(1)
        Set for good when a weight is at a place that no row has; it is dropped.
    """

    i: stream.Interface
    o: stream.Interface
    error: Signal

    def __init__(self, config: ElementConfig, delta_bits: int):
        self.config, self.delta_bits = config, delta_bits
        super().__init__({
            "i": In(stream.Signature(delta_beat_layout(config, delta_bits))),
            "o": Out(stream.Signature(list_beat_layout(config))),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        places = self.config.places
        fire = Signal()
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            fire.eq(self.i.valid & self.i.ready),
        ]
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        with m.If(fire):
            m.d.sync += [self.o.p.column_end.eq(self.i.p.column_end),
                         self.o.p.final.eq(self.i.p.final)]
        for bank in range(self.config.probes):
            slot, entry = self.i.p.slots[bank], self.o.p.entries[bank]
            # behind the last slot; stays at ``places`` once the slots leave the bank
            following = Signal(range(places + 1), name=f"following_{bank}")
            place = Signal(range(places + (1 << self.delta_bits)), name=f"place_{bank}")
            inside = Signal(name=f"inside_{bank}")
            m.d.comb += [place.eq(following + slot.delta), inside.eq(place < places)]
            with m.If(fire):
                m.d.sync += [
                    entry.valid.eq((slot.weight != 0) & inside),
                    entry.place.eq(place),
                    entry.weight.eq(slot.weight),
                    following.eq(Mux(self.i.p.column_end, 0, Mux(inside, place + 1, places))),
                ]
                with m.If((slot.weight != 0) & ~inside):
                    m.d.sync += self.error.eq(1)
        return m
