# SPDX-License-Identifier: Apache-2.0
"""Segment walker: the kernel taps of each row, chunk by chunk."""

from amaranth import Array, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .descriptor import SOURCES, descriptor_layout
from .segments import corner_layout, segment_layout, tile_rows_layout

__all__ = ["SegmentWalker"]


class SegmentWalker(wiring.Component):
    """Give the segments of each row of each tile, in the order of the fiber.

    Latency: 1 cycle from tile and corner to the first segment.
    Throughput: 1 segment per cycle, also from source to source and from row to row if the
    corners are there; a tile takes one more cycle.
    Back-pressure: a segment that waits on ``o`` stops the walk.
    Reset: synchronous; forgets the tile.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        What is walked.
    i_rows : In(stream.Signature(tile_rows_layout(config)))
        Tiles.
    i_corner_0 : In(stream.Signature(corner_layout(config)))
        Pixel under the first tap of each row, in the first source.
    i_corner_1 : In(stream.Signature(corner_layout(config)))
        The same in the second source; not taken if there is one source only.
    o : Out(stream.Signature(segment_layout(config)))
        Segments.
    """

    layer: data.View
    i_rows: stream.Interface
    i_corner_0: stream.Interface
    i_corner_1: stream.Interface
    o: stream.Interface

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "i_rows": In(stream.Signature(tile_rows_layout(config))),
            "i_corner_0": In(stream.Signature(corner_layout(config))),
            "i_corner_1": In(stream.Signature(corner_layout(config))),
            "o": Out(stream.Signature(segment_layout(config))),
        })

    def elaborate(self, platform):
        m = Module()
        active = Signal()                       # over the taps of a source
        index = Signal(index_range(SOURCES))    # source at work, or the next one
        row = Signal(index_range(self.config.tile_rows))
        load, load_index = Signal(), Signal.like(index)
        corners = [self.i_corner_0, self.i_corner_1][:self.config.bounds.sources]
        corner, corner_valid = Signal(corner_layout(self.config)), Signal()
        taken, source_end = Signal(), Signal()  # a segment; all those of the source
        more_sources, more_rows = Signal(), Signal()

        chunk_end, last_tap = self._walk(m, load, corner, index, taken)
        m.d.comb += [
            taken.eq(active & self.o.ready),
            source_end.eq(taken & last_tap),
            more_sources.eq(index + 1 != self.layer.source_count),
            more_rows.eq(row + 1 != self.i_rows.p.rows),
            load_index.eq(Mux(source_end, more_sources, index)),
            load.eq(corner_valid & Mux(active, source_end & (more_sources | more_rows),
                                       self.i_rows.valid)),
            self.i_rows.ready.eq(source_end & ~more_sources & ~more_rows),
            self.o.valid.eq(active),
            self.o.p.end.eq(chunk_end), self.o.p.last.eq(last_tap & ~more_sources),
            self.o.p.row.eq(row), self.o.p.source.eq(index),
        ]
        with m.Switch(load_index):
            for number, stream_in in enumerate(corners):
                with m.Case(number) if stream_in is not corners[-1] else m.Default():
                    m.d.comb += [
                        corner.eq(stream_in.payload), corner_valid.eq(stream_in.valid),
                        stream_in.ready.eq(load),
                    ]
        with m.If(source_end):
            m.d.sync += [active.eq(0), index.eq(more_sources)]
            with m.If(~more_sources):
                m.d.sync += row.eq(Mux(more_rows, row + 1, 0))
        with m.If(load):
            m.d.sync += active.eq(1)
        return m

    def _walk(self, m: Module, load, corner, index, taken):
        """Add the walk over the taps of a source.

        Returns whether the segment is the last one of the fiber's chunk, and of the source.
        """
        source = Array(self.layer.sources[number] for number in range(
            self.config.bounds.sources))[index]
        # slot of the kernel line's first tap, of the tap, of the segment
        bounds = self.config.bounds
        line, tap, address = (Signal(bounds.address_bits, name=name)
                              for name in ("line", "tap", "slot"))
        y, x, first_x = (Signal(signed(bounds.coordinate_bits + 1), name=name)
                         for name in ("y", "x", "first_x"))
        kernel_y, kernel_x = (Signal(bounds.kernel_bits, name=name)
                              for name in ("kernel_y", "kernel_x"))
        chunk, shared = (Signal(self.config.tap_bits, name=name) for name in ("chunk", "shared"))
        line_next, tap_next = Signal(bounds.address_bits), Signal(bounds.address_bits)
        pixel_end, line_end, last_line = Signal(), Signal(), Signal()
        last, chunk_end = Signal(), Signal()
        m.d.comb += [
            pixel_end.eq(chunk + 1 == source.chunks),
            line_end.eq(kernel_x + 1 == source.kernel_width),
            last_line.eq(kernel_y + 1 == source.kernel_height),
            last.eq(pixel_end & line_end & last_line),
            chunk_end.eq((shared + 1 == source.taps_per_chunk) | last),
            line_next.eq(line + source.row_pitch),
            tap_next.eq(Mux(line_end, line_next, tap + source.pixel_pitch)),
            self.o.p.fetch.eq((y >= 0) & (y < source.height) & (x >= 0) & (x < source.width)),
            self.o.p.address.eq(address),
        ]
        with m.If(taken):
            m.d.sync += [
                shared.eq(Mux(chunk_end, 0, shared + 1)),
                self.o.p.shift.eq(Mux(chunk_end, 0, self.o.p.shift + source.tap_positions)),
                chunk.eq(Mux(pixel_end, 0, chunk + 1)),
                address.eq(Mux(pixel_end, tap_next, address + source.chunk_pitch)),
            ]
            with m.If(pixel_end):
                m.d.sync += [
                    tap.eq(tap_next), x.eq(Mux(line_end, first_x, x + 1)),
                    kernel_x.eq(Mux(line_end, 0, kernel_x + 1)),
                ]
            with m.If(pixel_end & line_end):
                m.d.sync += [line.eq(line_next), y.eq(y + 1),
                             kernel_y.eq(Mux(last_line, 0, kernel_y + 1))]
        with m.If(load):
            m.d.sync += [
                line.eq(corner.address), tap.eq(corner.address), address.eq(corner.address),
                y.eq(corner.y), x.eq(corner.x), first_x.eq(corner.x),
            ]
        return chunk_end, last
