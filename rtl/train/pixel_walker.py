# SPDX-License-Identifier: Apache-2.0
"""Walks over the pixels of an image."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import TrainConfig
from ..ftp.layouts import index_range
from .layouts import settings_layout

__all__ = ["PixelWalker"]


class PixelWalker(wiring.Component):
    """Count the pixels of an image row by row, and name the window of the readout of each.

    Latency: 1 cycle. Throughput: 1 pixel per cycle. Back-pressure: none.
    Reset: synchronous; back to the first pixel.

    Parameters
    ----------
    config : TrainConfig

    Members
    -------
    settings : In(settings_layout(config))
        Size of the image; static.
    advance : In(1)
        Go to the next pixel; behind the last one comes the first.
    pixel : Out(index_range(max_pixels))
        Its number.
    x : Out(range(max_pixels + 1))
        Its column.
    y : Out(range(max_pixels + 1))
        Its row.
    last : Out(1)
        It is the last one.
    window : Out(index_range(max_windows))
        Its window.
    window_first : Out(1)
        It is the first one of its window.
    """

    settings: data.View
    advance: Signal
    pixel: Signal
    x: Signal
    y: Signal
    last: Signal
    window: Signal
    window_first: Signal

    def __init__(self, config: TrainConfig):
        self.config = config
        super().__init__({
            "settings": In(settings_layout(config)), "advance": In(1),
            "pixel": Out(index_range(config.max_pixels)),
            "x": Out(range(config.max_pixels + 1)), "y": Out(range(config.max_pixels + 1)),
            "last": Out(1), "window": Out(index_range(config.max_windows)),
            "window_first": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        now = self.settings
        window_row = Signal(index_range(self.config.max_windows))  # first window of the row
        mask, row_ends = Signal(3), Signal()
        m.d.comb += [
            mask.eq((1 << now.pool) - 1),
            self.last.eq(self.pixel == now.pixels - 1),
            row_ends.eq(self.x == now.width - 1),
            self.window.eq(window_row + (self.x >> now.pool)),
            self.window_first.eq(((self.x & mask) == 0) & ((self.y & mask) == 0)),
        ]
        with m.If(self.advance):
            m.d.sync += [self.pixel.eq(self.pixel + 1), self.x.eq(self.x + 1)]
            with m.If(row_ends):
                m.d.sync += [
                    self.x.eq(0), self.y.eq(self.y + 1),
                    window_row.eq(Mux((self.y & mask) == mask,
                                      window_row + (now.width >> now.pool), window_row)),
                ]
            with m.If(self.last):
                m.d.sync += [self.pixel.eq(0), self.x.eq(0), self.y.eq(0), window_row.eq(0)]
        return m
