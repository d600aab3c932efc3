# SPDX-License-Identifier: Apache-2.0
"""Tile walker: cuts the rows of a layer into tiles."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .descriptor import Mode, descriptor_layout
from .segments import tile_rows_layout
from .tiles import slots_layout, walked_tile_layout

__all__ = ["TileWalker"]


class TileWalker(wiring.Component):
    """Give the tiles of all weight blocks of a layer, and the output slots of those that close.

    Of a layer with attention all tiles come once more, before, without slots; a layer that pools
    residuals has no rows.

    A tile goes to all outputs in the same cycle. The first one goes only if the descriptor's
    tiles are possible: no more than ``P`` rows go in or come out, a tile holds whole windows or a
    part of one.

    Latency: 2 cycles from ``start``, and one for each window member of the first tile.
    Throughput: one more cycle a tile than it has window members.
    Back-pressure: a tile waits until all outputs that take it are ready.
    Reset: synchronous; forgets the layer.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        What is walked; no field may be zero that `LayerCheck` refuses.
    start : In(1)
        Begin; for one cycle.
    o_tile : Out(stream.Signature(walked_tile_layout(config)))
        Tiles for array and post-processing.
    o_slots : Out(stream.Signature(slots_layout(config)))
        Where the output of a tile goes, if it closes and the layer gives out a map.
    o_rows : Out(stream.Signature(tile_rows_layout(config)))
        Tiles for the segment walker.
    busy : Out(1)
        High until the last tile has left.
    illegal : Out(1)
        The descriptor's tiles are not possible; for one cycle, and nothing follows. That their
        number is wrong is known at the end of the first block only.
    """

    layer: data.View
    start: Signal
    o_tile: stream.Interface
    o_slots: stream.Interface
    o_rows: stream.Interface
    busy: Signal
    illegal: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "o_tile": Out(stream.Signature(walked_tile_layout(config))),
            "o_slots": Out(stream.Signature(slots_layout(config))),
            "o_rows": Out(stream.Signature(tile_rows_layout(config))),
            "busy": Out(1),
            "illegal": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        layer, tile_rows = self.layer, self.config.tile_rows
        walking, sending = Signal(), Signal()
        rows, out_rows = Signal(range(tile_rows + 1)), Signal(range(tile_rows + 1))
        bits = self.config.row_bits
        rows_next, out_rows_next = Signal(bits + 1), Signal(bits + 1)
        windows, members = Signal(bits), Signal(bits)  # in the tile; of its present window
        split = Signal()                         # that window began in a tile before
        opens, closes, final = Signal(), Signal(), Signal()
        step, sent = Signal(), Signal()
        part_end, tile_end = Signal(), Signal()

        window_end, map_end = self._count_members(m, step)
        tiles_end = self._count_tiles(m, sent & final, sent)
        m.d.comb += [
            self.busy.eq(walking | sending),
            step.eq(walking & ~self.illegal),
            rows_next.eq(rows + layer.passes),
            out_rows_next.eq(out_rows + Mux(window_end, layer.out_passes, 0)),
            part_end.eq(members + 1 == layer.members_per_tile),
            tile_end.eq(Mux(window_end, (windows + 1 == layer.windows_per_tile) | map_end,
                            part_end)),
        ]
        with m.If(walking & self.config.has_checks):
            m.d.comb += self.illegal.eq(
                (rows_next > tile_rows)
                | ((out_rows_next > tile_rows) & (layer.mode != Mode.READOUT))
                | (window_end & ~part_end & ~split)
                | (~window_end & part_end & (layer.windows_per_tile != 1))
                | (tile_end & ((window_end & map_end) != tiles_end)))
        with m.If(step):
            m.d.sync += [
                rows.eq(rows_next), out_rows.eq(out_rows_next), windows.eq(windows + window_end),
                members.eq(Mux(window_end | part_end, 0, members + 1)),
            ]
        with m.If(step & tile_end):
            m.d.sync += [
                walking.eq(0), sending.eq(1), split.eq(~window_end), opens.eq(~split),
                closes.eq(window_end), final.eq(window_end & map_end),
            ]
        with m.If(self.illegal):
            m.d.sync += walking.eq(0)

        more_blocks = self._send(m, sending, sent, rows, out_rows, opens, closes, final)
        with m.If(sent):
            m.d.sync += [sending.eq(0), walking.eq(~final | more_blocks)]
        with m.If(sent | self.start):
            m.d.sync += [rows.eq(0), out_rows.eq(0), windows.eq(0), members.eq(0)]
        with m.If(self.start):
            m.d.sync += [walking.eq(1), sending.eq(0), split.eq(0)]
        return m

    def _count_members(self, m: Module, step) -> tuple[Signal, Signal]:
        """Add the walk over a block; return the ends of the window and of the windows."""
        layer = self.layer
        side_bits, pool_bits = self.config.bounds.side_bits, self.config.bounds.pool_bits
        limits = {"member_x": (layer.pool, pool_bits), "member_y": (layer.pool, pool_bits),
                  "window_x": (layer.out_width, side_bits),
                  "window_y": (layer.out_height, side_bits)}
        ends = []
        for name, (limit, bits) in limits.items():
            counter, end = Signal(bits, name=name), Signal(name=f"{name}_end")
            m.d.comb += end.eq(counter + 1 == limit)
            with m.If(step):
                m.d.sync += counter.eq(Mux(end, 0, counter + 1))
            with m.If(self.start):
                m.d.sync += counter.eq(0)
            step = step & end
            ends.append(end)
        return ends[0] & ends[1], ends[2] & ends[3]

    def _count_tiles(self, m: Module, block_sent, sent) -> Signal:
        """Add the count of tiles; return whether the present one should end its block."""
        tile = Signal(self.config.tile_bits)
        with m.If(sent):
            m.d.sync += tile.eq(tile + 1)
        with m.If(block_sent | self.start):
            m.d.sync += tile.eq(0)
        return tile + 1 == self.layer.tiles

    def _send(self, m: Module, sending, sent, rows, out_rows, opens, closes, final):
        """Add the outputs and the count of blocks; return whether there are more of those."""
        layer = self.layer
        bounds = self.config.bounds
        address, block_address = Signal(bounds.address_bits), Signal(bounds.address_bits)
        block, more, before = Signal(range(self.config.block_limit + 1)), Signal(), Signal()
        has_slots, slots_free, has_rows, rows_free = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            has_slots.eq(closes & (layer.mode != Mode.READOUT) & ~before),
            slots_free.eq(self.o_slots.ready | ~has_slots),
            has_rows.eq(~layer.residual_pool), rows_free.eq(self.o_rows.ready | ~has_rows),
            sent.eq(sending & self.o_tile.ready & rows_free & slots_free),
            self.o_tile.valid.eq(sending & rows_free & slots_free),
            self.o_rows.valid.eq(sending & self.o_tile.ready & slots_free & has_rows),
            self.o_slots.valid.eq(sending & self.o_tile.ready & rows_free & has_slots),
            self.o_tile.p.rows.eq(rows), self.o_tile.p.opens.eq(opens),
            self.o_tile.p.closes.eq(closes), self.o_rows.p.rows.eq(rows),
            self.o_slots.p.address.eq(address), self.o_slots.p.rows.eq(out_rows),
            more.eq(((block + 1 != layer.blocks) & (self.config.block_limit > 1)) | before),
        ]
        with m.If(sent & closes & ~before):
            m.d.sync += address.eq(address + layer.out_tile_pitch)
        with m.If(sent & final):
            m.d.sync += before.eq(0)
        with m.If(sent & final & ~before & (self.config.block_limit > 1)):
            following = block_address + layer.out_block_pitch
            m.d.sync += [block.eq(block + 1), address.eq(following), block_address.eq(following)]
        with m.If(self.start):
            m.d.sync += [
                block.eq(0), address.eq(layer.out_address), block_address.eq(layer.out_address),
                before.eq(layer.attention),
            ]
        return more
