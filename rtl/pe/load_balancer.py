# SPDX-License-Identifier: Apache-2.0
"""Load balancer: rows to elements as they come, each to the one with the fewest values so far."""

from amaranth import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ElementConfig
from ..ftp.array_layouts import array_row_layout
from ..ftp.layouts import index_range
from ..one_hot import encode
from ..population_count import population_count
from .lookup_layouts import dealt_tile_layout, row_place_layout

__all__ = ["LoadBalancer", "balancer_error_layout"]


def balancer_error_layout() -> data.StructLayout:
    """Return what can be wrong with tiles and rows; each bit stays set until reset.

    Members
    -------
    tile_rows : unsigned(1)
        The rows of a tile are not in 1..P * r.
    row_index : unsigned(1)
        A spike fiber is not that of the tile's next row.
    """
    return data.StructLayout({"tile_rows": unsigned(1), "row_index": unsigned(1)})


class LoadBalancer(wiring.Component):
    """Deal the rows of a tile to the elements, one after another.

    Of ``n`` rows element e gets ``ceil((n - e) / P)``, so that the rows that are used are known
    with the tile. Each row goes to the element with the fewest values of the tile so far that
    still has a row to get, the first one of several.

    Same result as ``spikeloom.models.golden.load_balancer.balance``.

    Latency: 1 cycle; a row's first beat leaves 2 cycles after the last one of the row before or
    after the tile. Throughput: 1 beat per cycle, and one cycle more for each row.
    Back-pressure: a beat that waits on ``o_row`` stops ``i_row`` in the same cycle.
    Reset: synchronous; forgets tile and row and clears ``error``.

    Parameters
    ----------
    config : ElementConfig
    tile_shape : data.StructLayout
        Description of a tile; its field ``rows`` is what counts here.

    Members
    -------
    i_tile : In(stream.Signature(tile_shape))
        Tiles; the next one is taken after the last row of this one.
    i_row : In(stream.Signature(array_row_layout(config)))
        Spike fibers, one for each row of each tile, from row 0 on.
    o_tile : Out(stream.Signature(dealt_tile_layout(config, tile_shape)))
        The same tiles.
    o_place : Out(stream.Signature(row_place_layout(config)))
        Where each row goes, ahead of its fiber.
    o_row : Out(stream.Signature(array_row_layout(config)))
        The same fibers; ``row`` is ``place``.
    error : Out(balancer_error_layout())
        What was wrong; the tile, or the fiber's beat, is dropped.
    """

    i_tile: stream.Interface
    i_row: stream.Interface
    o_tile: stream.Interface
    o_place: stream.Interface
    o_row: stream.Interface
    error: data.View

    def __init__(self, config: ElementConfig, tile_shape: data.StructLayout):
        self.config, self.tile_shape = config, tile_shape
        super().__init__({
            "i_tile": In(stream.Signature(tile_shape)),
            "i_row": In(stream.Signature(array_row_layout(config))),
            "o_tile": Out(stream.Signature(dealt_tile_layout(config, tile_shape))),
            "o_place": Out(stream.Signature(row_place_layout(config))),
            "o_row": Out(stream.Signature(array_row_layout(config))),
            "error": Out(balancer_error_layout()),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        dealing, chosen = Signal(), Signal()  # a tile is at work; its next row has a place
        index, rows = Signal(index_range(config.tile_rows)), Signal.like(self.i_tile.p.rows)
        # what fibers have that are as long as can be; the elements refuse longer ones
        loads = [Signal(range(config.rows_per_pe * config.max_chunks * config.chunk + 1),
                        name=f"load_{number}") for number in range(config.tppes)]
        left = Array(Signal(config.rows_per_pe, name=f"left_{number}")  # rows to be dealt
                     for number in range(config.tppes))
        last, choose = Signal(), Signal()
        fire, row_end, count = self._pass_beats(m, chosen, index)
        take = self._take_tile(m, dealing)

        least, first = Signal(index_range(config.tppes)), Signal(config.rows_per_pe)
        load, total = Signal.like(loads[0]), Signal.like(loads[0])
        element = Signal.like(least)  # of the row that is chosen, as is ``total``
        number, value = _least(m, [(number, Cat(load, ~rest.any())) for number, (load, rest) in
                                   enumerate(zip(loads, left, strict=True))])
        m.d.comb += [
            least.eq(number),
            load.eq(value),
            last.eq(index + 1 == rows),
            first.eq(left[least] & -left[least]),
            choose.eq(self.o_place.valid & self.o_place.ready),
            self.o_place.valid.eq(dealing & ~chosen),
            self.o_place.p.row.eq(index),
            self.o_place.p.place.eq(least * config.rows_per_pe + encode(m, first)),
            self.o_place.p.last.eq(last),
        ]
        with m.If(choose):
            m.d.sync += [chosen.eq(1), element.eq(least), total.eq(load),
                         left[least].eq(left[least] & ~first),
                         self.o_row.p.row.eq(self.o_place.p.place)]
        with m.If(fire):
            m.d.sync += total.eq(total + count)
        with m.If(row_end):
            m.d.sync += [chosen.eq(0), dealing.eq(~last), index.eq(Mux(last, 0, index + 1))]
            m.d.sync += Array(loads)[element].eq(total + count)
        with m.If(take):
            m.d.sync += [dealing.eq(1), rows.eq(self.i_tile.p.rows)]
            m.d.sync += [load.eq(0) for load in loads]
            m.d.sync += [Cat(left).eq(self.o_tile.p.used)]
        return m

    def _take_tile(self, m: Module, dealing) -> Signal:
        """Add the way of a tile; return whether one comes in this cycle."""
        config, rows = self.config, self.i_tile.p.rows
        legal, take = Signal(), Signal()
        m.d.comb += [
            legal.eq((1 << rows)[1:config.tile_rows + 1].any()),
            self.o_tile.valid.eq(self.i_tile.valid & legal & ~dealing),
            self.i_tile.ready.eq(~dealing & (self.o_tile.ready | ~legal)),
            take.eq(self.o_tile.valid & self.o_tile.ready),
        ]
        for name in self.tile_shape.members:
            m.d.comb += self.o_tile.p[name].eq(self.i_tile.p[name])
        for element in range(config.tppes):
            for row in range(config.rows_per_pe):
                m.d.comb += self.o_tile.p.used[element * config.rows_per_pe + row].eq(
                    rows > row * config.tppes + element)
        with m.If(self.i_tile.valid & ~dealing & ~legal):
            m.d.sync += self.error.tile_rows.eq(1)
        return take

    def _pass_beats(self, m: Module, chosen, index) -> tuple[Signal, Signal, Signal]:
        """Hold a beat until its row has a place.

        Returns whether it leaves, as the last one of its row, and the values of its chunk.
        """
        beat = Signal(array_row_layout(self.config))
        held, known, fire, row_end = Signal(), Signal(), Signal(), Signal()
        count = Signal(range(self.config.chunk + 1))
        m.d.comb += [
            known.eq(beat.row == index),
            self.o_row.valid.eq(held & chosen & known),
            fire.eq(self.o_row.valid & self.o_row.ready),
            row_end.eq(fire & beat.end & beat.last),
            self.i_row.ready.eq(~held | fire),
        ]
        m.d.comb += [self.o_row.p[name].eq(beat[name])
                     for name in ("values", "end", "mask", "last")]
        with m.If(self.i_row.ready):
            m.d.sync += [held.eq(self.i_row.valid), beat.eq(self.i_row.payload),
                         count.eq(Mux(self.i_row.p.end, population_count(self.i_row.p.mask), 0))]
        with m.If(held & chosen & ~known):
            m.d.sync += self.error.row_index.eq(1)
        return fire, row_end, count


def _least(m: Module, items: list) -> tuple:
    """Return number and value of the item with the smallest value, the first one of several."""
    if len(items) == 1:
        return items[0]
    middle = len(items) // 2
    (number, value), (other, other_value) = _least(m, items[:middle]), _least(m, items[middle:])
    less, least = Signal(name="less"), Signal(len(value), name="least")
    m.d.comb += [less.eq(other_value < value), least.eq(Mux(less, other_value, value))]
    return Mux(less, other, number), least
