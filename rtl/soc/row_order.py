# SPDX-License-Identifier: Apache-2.0
"""Row order: how to get from each row of a layer to the next one."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .descriptor import descriptor_layout

__all__ = ["Move", "RowOrder", "move_layout"]


class Move(enum.Enum, shape=3):
    """Where the next row's output position is."""

    FIRST = 0   # of all
    PASS = 1    # the same as before, in the next lane pass
    MEMBER = 2  # right of it, in its window
    LINE = 3    # first of the next line of the window
    WINDOW = 4  # first of the window on the right
    ROW = 5     # first of the next row of windows


def move_layout() -> data.StructLayout:
    """Return a step to the next row.

    Members
    -------
    move : Move
        Where to.
    leftmost : unsigned(1)
        There is no position left of the new one.
    """
    return data.StructLayout({"move": Move, "leftmost": unsigned(1)})


class RowOrder(wiring.Component):
    """Count rows: windows, their members, lane passes, each in raster order; again for ever.

    Latency: 1 cycle from ``start``. Throughput: 1 row per cycle.
    Back-pressure: a move that waits stops the count.
    Reset: synchronous; no row comes before ``start``.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        Windows, pool and passes that are counted.
    start : In(1)
        Begin with the first row.
    o : Out(stream.Signature(move_layout()))
        One move for each row.
    """

    layer: data.View
    start: Signal
    o: stream.Interface

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "o": Out(stream.Signature(move_layout())),
        })

    def elaborate(self, platform):
        m = Module()
        layer, bounds = self.layer, self.config.bounds
        loops = [  # innermost first
            (Move.PASS, layer.passes, self.config.row_bits),
            (Move.MEMBER, layer.pool, bounds.pool_bits),
            (Move.LINE, layer.pool, bounds.pool_bits),
            (Move.WINDOW, layer.out_width, bounds.side_bits),
            (Move.ROW, layer.out_height, bounds.side_bits),
        ]
        begun = Signal()  # the first row has been given
        active = Signal()
        counters = {move: Signal(bits, name=move.name.lower()) for move, _, bits in loops}
        goes_on = {move: Signal(name=f"{move.name.lower()}_goes_on") for move, _, _ in loops}
        step = begun & self.o.ready  # all inner loops have ended
        for move, limit, _ in loops:
            m.d.comb += goes_on[move].eq(counters[move] + 1 != limit)
            with m.If(step):
                m.d.sync += counters[move].eq(Mux(goes_on[move], counters[move] + 1, 0))
            step = step & ~goes_on[move]
        m.d.comb += [self.o.valid.eq(active), self.o.p.move.eq(Move.FIRST)]
        for move, _, _ in reversed(loops):
            with m.If(goes_on[move] & begun):
                m.d.comb += self.o.p.move.eq(move)
        with m.Switch(self.o.p.move):
            with m.Case(Move.FIRST, Move.ROW):
                m.d.comb += self.o.p.leftmost.eq(1)
            with m.Case(Move.LINE):
                m.d.comb += self.o.p.leftmost.eq(counters[Move.WINDOW] == 0)
        with m.If(active & self.o.ready):
            m.d.sync += begun.eq(1)
        with m.If(self.start):
            m.d.sync += [active.eq(1), begun.eq(0)]
            m.d.sync += [counter.eq(0) for counter in counters.values()]
        return m
