# SPDX-License-Identifier: Apache-2.0
"""Row dealer: sorts the rows of a tile by their values and deals them to the elements."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ArrayConfig
from ..ftp.layouts import index_range, offset_range

__all__ = ["RowDealer", "dealer_row_layout", "dealt_row_layout"]


def dealer_row_layout(config: ArrayConfig) -> data.StructLayout:
    """Return one row to be dealt.

    Members
    -------
    row : range(tile_rows)
        What to call the row.
    count : range(max_chunks * C + 1)
        Values of its fiber.
    elements : range(P + 1)
        Elements that the tile's rows are dealt to, 1..P; counts in the tile's first row.
    last : unsigned(1)
        Last row of its tile.
    """
    return data.StructLayout({
        "row": index_range(config.tile_rows),
        "count": offset_range(config),
        "elements": range(config.tppes + 1),
        "last": unsigned(1),
    })


def dealt_row_layout(config: ArrayConfig) -> data.StructLayout:
    """Return where a row goes.

    Members
    -------
    row : range(tile_rows)
        As it came.
    element : range(P)
        Element that computes it.
    place : range(r)
        Which of the element's rows it is.
    last : unsigned(1)
        Last row of its tile.
    """
    return data.StructLayout({
        "row": index_range(config.tile_rows),
        "element": index_range(config.tppes),
        "place": index_range(config.rows_per_pe),
        "last": unsigned(1),
    })


class RowDealer(wiring.Component):
    """Deal the rows of a tile in the order of a snake, those with the most values first.

    The i-th row in this order goes to element ``i % E``, from the last element back if
    ``i // E`` is odd, and is row ``i // E`` there. Rows of the same count keep their order. The
    sorter is a line of cells: each one compares its row with the one that comes in and then
    keeps its row, or takes that of a neighbour or the new one. The next tiles line up behind.

    Equal in every row to ``spikeloom.models.golden.row_dealer.deal``.

    Latency: 1 cycle from the last row of a tile to the first one dealt.
    Throughput: 1 row per cycle in and out, from tile to tile as well.
    Back-pressure: with ``rows + 1`` rows held ``i`` stops.
    Reset: synchronous; forgets all rows, begins a tile and clears ``error``.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    i : In(stream.Signature(dealer_row_layout(config)))
        Rows of the tiles.
    o : Out(stream.Signature(dealt_row_layout(config)))
        The rows of each tile in their new order.
    error : Out(1)
        Set for good when a tile has more than ``E * r`` rows or ``E`` is not in 1..P; tiles
        before it are dealt, then the unit stands still.
    """

    i: stream.Interface
    o: stream.Interface
    error: Signal

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__({
            "i": In(stream.Signature(dealer_row_layout(config))),
            "o": Out(stream.Signature(dealt_row_layout(config))),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        # a cell more than rows: one comes in while the first one of a whole tile waits
        cells = [Signal(_cell_layout(self.config), name=f"cell_{index}")
                 for index in range(self.config.tile_rows + 1)]
        entry = Signal(_cell_layout(self.config))
        insert, remove = Signal(), Signal()
        elements, accept = self._check(m)
        m.d.comb += [
            self.i.ready.eq(~cells[-1].valid & ~self.error),
            insert.eq(self.i.valid & self.i.ready & accept),
            remove.eq(self.o.valid & self.o.ready),
            entry.valid.eq(1),
            entry.row.eq(self.i.p.row),
            entry.count.eq(self.i.p.count),
            entry.elements.eq(elements),
        ]
        self._sort(m, cells, entry, insert, remove)
        self._deal(m, cells[0], remove)
        return m

    def _check(self, m: Module):
        """Add the limits of a tile; return its elements and whether the row that comes fits."""
        config = self.config
        row_bits = config.rows_per_pe.bit_length() - 1
        first, accept = Signal(init=1), Signal()
        elements, elements_held = Signal(range(config.tppes + 1)), Signal(range(config.tppes + 1))
        final = Signal.like(elements)  # element; without elements it wraps to one that is not
        room, room_held = Signal(len(elements) + row_bits), Signal(len(elements) + row_bits)
        m.d.comb += [
            elements.eq(Mux(first, self.i.p.elements, elements_held)),
            room.eq(Mux(first, self.i.p.elements << row_bits, room_held)),
            final.eq(elements - 1),
            accept.eq((room != 0) & (final < config.tppes)),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [elements_held.eq(elements), room_held.eq(room - 1),
                         first.eq(self.i.p.last), self.error.eq(~accept)]
        return elements, accept

    def _sort(self, m: Module, cells, entry, insert, remove) -> None:
        """Add the moves of the cells: rows of whole tiles and larger counts stay ahead."""
        stays = [Signal(name=f"stays_{index}") for index in range(len(cells))]
        moved = [Signal.like(entry, name=f"moved_{index}") for index in range(len(cells))]
        moved_stays = [Signal(name=f"moved_stays_{index}") for index in range(len(cells))]
        following = [Signal.like(entry, name=f"following_{index}") for index in range(len(cells))]
        for index, cell in enumerate(cells):
            behind = index + 1 < len(cells)
            m.d.comb += [
                stays[index].eq(cell.valid & (cell.sorted | (cell.count >= entry.count))),
                moved[index].eq(Mux(remove, cells[index + 1] if behind else 0, cell)),
                moved_stays[index].eq(Mux(remove, stays[index + 1] if behind else 0,
                                          stays[index])),
            ]
            with m.If(~insert | moved_stays[index]):
                m.d.comb += following[index].eq(moved[index])
            with m.Elif(moved_stays[index - 1] if index else 1):
                m.d.comb += following[index].eq(entry)
            with m.Else():
                m.d.comb += following[index].eq(moved[index - 1])
            m.d.sync += cell.eq(following[index])
            with m.If(insert & self.i.p.last):  # the tile is complete
                m.d.sync += cell.sorted.eq(1)
                with m.If(~following[index + 1].valid if behind else 1):
                    m.d.sync += cell.last.eq(1)

    def _deal(self, m: Module, cell, remove) -> None:
        """Add the way of the snake, which stays at an element where it turns."""
        element = Signal(index_range(self.config.tppes))
        place = Signal(index_range(self.config.rows_per_pe))
        back, turn = Signal(), Signal()
        m.d.comb += [
            turn.eq(element == Mux(back, 0, cell.elements - 1)),
            self.o.valid.eq(cell.valid & cell.sorted),
            self.o.p.row.eq(cell.row),
            self.o.p.element.eq(element),
            self.o.p.place.eq(place),
            self.o.p.last.eq(cell.last),
        ]
        with m.If(remove & cell.last):
            m.d.sync += [element.eq(0), place.eq(0), back.eq(0)]
        with m.Elif(remove & turn):
            m.d.sync += [place.eq(place + 1), back.eq(~back)]
        with m.Elif(remove):
            m.d.sync += element.eq(Mux(back, element - 1, element + 1))


def _cell_layout(config: ArrayConfig) -> data.StructLayout:
    """Return a row that is held; it may leave once its whole tile is sorted."""
    row = {name: field.shape for name, field in dealer_row_layout(config)}
    return data.StructLayout({**row, "valid": 1, "sorted": 1})
