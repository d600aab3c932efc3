# SPDX-License-Identifier: Apache-2.0
"""Row walker: from a layer's descriptor to tiles and to the chunk slots that rows read."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..stream_queue import StreamQueue
from .descriptor import descriptor_layout
from .layer_check import LayerCheck
from .pixel_cursor import PixelCursor
from .row_order import RowOrder
from .segment_walker import SegmentWalker
from .segments import segment_layout, tile_rows_layout
from .tile_walker import TileWalker
from .tiles import slots_layout, walked_tile_layout

__all__ = ["RowWalker"]

_TILES_AHEAD = 4  # of the segments


class RowWalker(wiring.Component):
    """Walk over weight blocks, tiles and rows of a layer; kernel taps become segments.

    Equal in every bit to ``spikeloom.models.golden.row_walker.walk``.

    A tile is on ``o_tile``, and its output on ``o_slots``, no later than its first segment on
    ``o``; they may be up to four tiles ahead. No stream waits for a later tile on another one.

    Latency: from ``start`` to the first segment 5 cycles, and one for each kernel tap, each tap
    that may share a chunk, and each window member of the first tile.
    Throughput: a segment per cycle, 1 cycle more between tiles. A row takes no less than 1 cycle
    more than there are pixels to the next position: 2 cycles at stride 1.
    Back-pressure: any stream may wait; nothing is lost.
    Reset: synchronous; forgets the layer and clears ``error``.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        What is walked; stays until ``busy`` falls.
    start : In(1)
        Begin; for one cycle, while not ``busy``.
    o_tile : Out(stream.Signature(walked_tile_layout(config)))
        Tiles of all blocks.
    o_slots : Out(stream.Signature(slots_layout(config)))
        Where the output of a tile goes, if it closes and the layer gives out a map.
    o : Out(stream.Signature(segment_layout(config)))
        Segments of all rows.
    busy : Out(1)
        High from the cycle after ``start`` until all has left.
    error : Out(1)
        The descriptor is not possible, so nothing was given out; if only the number of tiles is
        wrong, the first block was, in part. Stays set.
    """

    layer: data.View
    start: Signal
    o_tile: stream.Interface
    o_slots: stream.Interface
    o: stream.Interface
    busy: Signal
    error: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "o_tile": Out(stream.Signature(walked_tile_layout(config))),
            "o_slots": Out(stream.Signature(slots_layout(config))),
            "o": Out(stream.Signature(segment_layout(config))),
            "busy": Out(1),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.tiles = tiles = TileWalker(config)
        m.submodules.segments = segments = SegmentWalker(config)
        self._place(m, segments)
        checking = self._check(m, tiles)

        queues = []
        for name, shape, target in (
                ("tile", walked_tile_layout(config), flipped(self.o_tile)),
                ("slots", slots_layout(config), flipped(self.o_slots)),
                ("rows", tile_rows_layout(config), segments.i_rows)):
            m.submodules[f"{name}_queue"] = queue = StreamQueue(
                shape, config.queue_depth(_TILES_AHEAD))
            connect(m, getattr(tiles, f"o_{name}"), queue.i)
            connect(m, queue.o, target)
            queues.append(queue)
        connect(m, segments.o, flipped(self.o))

        m.d.comb += [
            tiles.layer.eq(self.layer), segments.layer.eq(self.layer),
            self.busy.eq(checking | tiles.busy | queues[0].busy | queues[1].busy
                         | queues[2].busy),
        ]
        return m

    def _check(self, m: Module, tiles) -> Signal:
        """Start the tiles when the layer is checked; return whether that goes on."""
        checking = Signal()
        if not self.config.has_checks:
            m.d.comb += tiles.start.eq(self.start)
            return checking
        m.submodules.check = check = LayerCheck(self.config)
        m.d.comb += [
            check.layer.eq(self.layer), check.start.eq(self.start),
            tiles.start.eq(check.legal), checking.eq(check.busy),
        ]
        with m.If(check.illegal | tiles.illegal):
            m.d.sync += self.error.eq(1)
        return checking

    def _place(self, m: Module, segments) -> None:
        """Add the cursors; both make each move together, the second one if it is wanted."""
        m.submodules.order = order = RowOrder(self.config)
        m.d.comb += [order.layer.eq(self.layer), order.start.eq(self.start)]
        sources = range(self.config.bounds.sources)
        wanted = [Signal(name=f"wanted_{index}") for index in sources]
        ready = [Signal(name=f"ready_{index}") for index in sources]
        for index in sources:
            m.submodules[f"cursor_{index}"] = cursor = PixelCursor(self.config)
            others = [ready[other] for other in sources if other != index]
            m.d.comb += [
                wanted[index].eq(index < self.layer.source_count),
                ready[index].eq(cursor.i.ready | ~wanted[index]),
                cursor.source.eq(self.layer.sources[index]), cursor.pool.eq(self.layer.pool),
                cursor.start.eq(self.start),
                cursor.i.payload.eq(order.o.payload),
                cursor.i.valid.eq(order.o.valid & wanted[index] & Cat(*others).all()),
            ]
            connect(m, cursor.o, getattr(segments, f"i_corner_{index}"))
        m.d.comb += order.o.ready.eq(Cat(*ready).all())
