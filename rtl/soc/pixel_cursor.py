# SPDX-License-Identifier: Apache-2.0
"""Pixel cursor: the pixel under the first kernel tap of each row."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .descriptor import source_layout
from .row_order import Move, move_layout
from .segments import corner_layout

__all__ = ["PixelCursor"]


class _State(enum.Enum, shape=3):
    """What the cursor does."""

    IDLE = 0
    UP = 1       # by the padding
    LEFT = 2     # by the padding
    BACK = 3     # to the window's first position, up or to the left
    FORWARD = 4  # by the stride, to the right or down
    OFFER = 5


class PixelCursor(wiring.Component):
    """Walk over a spike map pixel by pixel, so that addresses need an adder only.

    Latency: ``padding_top + padding_left + 3`` cycles to the first corner. Then one for each
    pixel moved: the stride to the next position, ``stride * pool`` to the next line of a window
    and to the next window.
    Throughput: a row per cycle within an output position, one more cycle for each pixel moved.
    Back-pressure: a corner that waits on ``o`` stops ``i``.
    Reset: synchronous; forgets the position.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    source : In(source_layout())
        The spike map.
    pool : In(8)
        Side of a window.
    start : In(1)
        Forget the position.
    i : In(stream.Signature(move_layout()))
        Where to go.
    o : Out(stream.Signature(corner_layout(config)))
        Where the kernel's first tap is then.
    """

    source: data.View
    pool: Signal
    start: Signal
    i: stream.Interface
    o: stream.Interface

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "source": In(source_layout()),
            "pool": In(8),
            "start": In(1),
            "i": In(stream.Signature(move_layout())),
            "o": Out(stream.Signature(corner_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        source, bounds = self.source, self.config.bounds
        coordinate, bits = signed(bounds.coordinate_bits), bounds.address_bits
        far = (1 << (bounds.coordinate_bits - 1)) - 1  # a cursor beyond every map stays there
        state = Signal(_State)
        address, pass_offset = Signal(bits), Signal(bits)
        y, x = Signal(coordinate), Signal(coordinate)
        line_address = Signal(bits)  # of the leftmost position on this line
        leftmost, down = Signal(), Signal()  # where it is; which way FORWARD goes
        back, vertical, moving = Signal(), Signal(), Signal()
        pitch, moved = Signal(bits), Signal(bits)
        at_top, at_left = Signal(), Signal()
        stride_end, back_end = self._count_moves(m, state)

        m.d.comb += [
            self.o.valid.eq(state == _State.OFFER),
            self.o.p.address.eq(address + pass_offset), self.o.p.y.eq(y), self.o.p.x.eq(x),
            self.i.ready.eq((state == _State.IDLE) | self.o.valid & self.o.ready),
            at_top.eq(y == -source.padding_top), at_left.eq(x == -source.padding_left),
        ]
        with m.Switch(state):
            with m.Case(_State.UP):
                m.d.comb += [back.eq(1), vertical.eq(1), moving.eq(~at_top)]
                with m.If(at_top):
                    m.d.sync += state.eq(_State.LEFT)
            with m.Case(_State.LEFT):
                m.d.comb += [back.eq(1), moving.eq(~at_left)]
                with m.If(at_left):
                    m.d.sync += state.eq(_State.OFFER)
            with m.Case(_State.BACK):
                m.d.comb += [back.eq(1), vertical.eq(~down), moving.eq(1)]
                with m.If(stride_end & back_end):
                    m.d.sync += state.eq(_State.FORWARD)
            with m.Case(_State.FORWARD):
                m.d.comb += [vertical.eq(down), moving.eq(1)]
                with m.If(stride_end):
                    m.d.sync += state.eq(_State.OFFER)
            with m.Case(_State.OFFER):
                with m.If(leftmost):
                    m.d.sync += line_address.eq(address)
                with m.If(self.o.ready & ~self.i.valid):
                    m.d.sync += state.eq(_State.IDLE)
        m.d.comb += [
            pitch.eq(Mux(vertical, source.row_pitch, source.pixel_pitch)),
            moved.eq(address + (pitch ^ back.replicate(bits)) + back),
        ]
        with m.If(moving):
            m.d.sync += address.eq(moved)
        with m.If(moving & vertical & (back | (y != far))):
            m.d.sync += y.eq(y + Mux(back, -1, 1))
        with m.If(moving & ~vertical & (back | (x != far))):
            m.d.sync += x.eq(x + Mux(back, -1, 1))
        self._begin(m, state, address, line_address, pass_offset, y, x, leftmost, down)
        with m.If(self.start):
            m.d.sync += state.eq(_State.IDLE)
        return m

    def _count_moves(self, m: Module, state) -> tuple[Signal, Signal]:
        """Add the count of pixels; return the ends of a stride and of the strides back."""
        bounds = self.config.bounds
        pixels, strides = Signal(bounds.kernel_bits), Signal(bounds.pool_bits)
        stride_end, back_end = Signal(), Signal()
        m.d.comb += [
            stride_end.eq(pixels + 1 == self.source.stride),
            back_end.eq(strides + 2 == self.pool),
        ]
        with m.If((state == _State.BACK) | (state == _State.FORWARD)):
            m.d.sync += pixels.eq(Mux(stride_end, 0, pixels + 1))
        with m.If((state == _State.BACK) & stride_end):
            m.d.sync += strides.eq(Mux(back_end, 0, strides + 1))
        with m.If(self.start):
            m.d.sync += [pixels.eq(0), strides.eq(0)]
        return stride_end, back_end

    def _begin(self, m: Module, state, address, line_address, pass_offset, y, x, leftmost,
               down) -> None:
        """Add what a move does at once."""
        move = self.i.p.move
        with m.If(self.i.valid & self.i.ready):
            with m.If(move == Move.PASS):
                m.d.sync += [state.eq(_State.OFFER),
                             pass_offset.eq(pass_offset + self.source.pass_pitch)]
            with m.Else():
                m.d.sync += [pass_offset.eq(0), leftmost.eq(self.i.p.leftmost)]
            with m.Switch(move):
                with m.Case(Move.FIRST):
                    m.d.sync += [state.eq(_State.UP), address.eq(self.source.address),
                                 y.eq(0), x.eq(0)]
                with m.Case(Move.MEMBER):
                    m.d.sync += [state.eq(_State.FORWARD), down.eq(0)]
                with m.Case(Move.LINE):
                    m.d.sync += [state.eq(_State.BACK), down.eq(1)]
                with m.Case(Move.WINDOW):
                    m.d.sync += [state.eq(Mux(self.pool == 1, _State.FORWARD, _State.BACK)),
                                 down.eq(0)]
                with m.Case(Move.ROW):
                    m.d.sync += [state.eq(_State.FORWARD), down.eq(1),
                                 x.eq(-self.source.padding_left)]
                    with m.If(~leftmost):  # the line is still to be stored else
                        m.d.sync += address.eq(line_address)
