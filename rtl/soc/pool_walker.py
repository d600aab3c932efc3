# SPDX-License-Identifier: Apache-2.0
"""Pool walker: the members of all windows of a layer, and where their residuals lie."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .descriptor import descriptor_layout
from .tiles import walked_tile_layout

__all__ = ["PoolWalker", "member_layout"]

_COORDINATE_BITS = 18
_SIDE_BITS = 13        # of a map
_POSITION_BITS = 26    # in a map
_NEURON_BITS = 32
_COLUMN_BITS = 16 + 7  # columns times positions of a tile
_PASSED_ON = ("last", "row", "column_end", "tile_end", "tile")


def member_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return one member of a window.

    Members
    -------
    inside : unsigned(1)
        It is there; else ``neuron`` does not count.
    neuron : unsigned(32)
        Number of the neuron whose residual it is, in the order in which they were computed.
    last : unsigned(1)
        Last member of its window.
    row : range(P)
        Row of the window in the tile.
    column_end : unsigned(1)
        Last row of its column.
    tile_end : unsigned(1)
        In the last column of the tile.
    tile : walked_tile_layout(config)
        The tile.
    """
    return data.StructLayout({
        "inside": unsigned(1), "neuron": unsigned(_NEURON_BITS), "last": unsigned(1),
        "row": index_range(config.tile_rows), "column_end": unsigned(1), "tile_end": unsigned(1),
        "tile": walked_tile_layout(config),
    })


class PoolWalker(wiring.Component):
    """Walk blocks of channels, tiles, channels, rows, and the members of each window.

    With ``p`` the position of a member in the map of the residuals, in raster order, and ``n``
    its channel in the block, its neuron is number ``first of its tile * channels of the block + n
    * rows of its tile + p - first of its tile``, after those of the blocks before.

    Latency: 3 cycles from a tile to its first member. Throughput: 1 member per cycle.
    Back-pressure: a member that waits on ``o`` stops the walk.
    Reset: synchronous; forgets the layer.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        What is walked; steady while ``busy``.
    start : In(1)
        Begin; counts while not ``busy``.
    i_tile : In(stream.Signature(walked_tile_layout(config)))
        Tiles of all blocks of channels.
    o : Out(stream.Signature(member_layout(config)))
        Members of all windows.
    busy : Out(1)
        High until the last member has left.
    """

    layer: data.View
    start: Signal
    i_tile: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "i_tile": In(stream.Signature(walked_tile_layout(config))),
            "o": Out(stream.Signature(member_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        source, o, bits = self.layer.sources[0], self.o, self.layer.tile_bits
        flow, walking = Signal(), Signal()
        at = self._walk(m, flow, walking)
        held = Signal(self._step_layout())
        placed = Signal(self._step_layout())
        inside, position = Signal(), Signal(_POSITION_BITS)
        within, tile_start = Signal(_POSITION_BITS), Signal(_POSITION_BITS)
        m.d.comb += [
            flow.eq(~o.valid | o.ready),
            self.busy.eq(walking | held.valid | placed.valid | o.valid),
            within.eq(position & ((1 << bits) - 1)), tile_start.eq(position - within),
        ]
        with m.If(flow):
            m.d.sync += [
                held.eq(at), placed.eq(held),
                inside.eq((held.y >= 0) & (held.y < source.height)
                          & (held.x >= 0) & (held.x < source.width)),
                position.eq(held.y[:_SIDE_BITS] * source.width[:_SIDE_BITS]
                            + held.x[:_SIDE_BITS]),
                o.valid.eq(placed.valid), o.p.inside.eq(inside),
                o.p.neuron.eq(
                    placed.base + tile_start * placed.columns + within
                    + Mux(tile_start + (1 << bits) > source.pass_pitch, placed.lasts,
                          placed.firsts)),
                *(o.p[name].eq(placed[name]) for name in _PASSED_ON),
            ]
        return m

    def _walk(self, m: Module, flow, walking) -> data.View:
        """Add the walk; return the member that it is at."""
        layer, source, tile = self.layer, self.layer.sources[0], self.i_tile
        at = Signal(self._step_layout())
        row, column = Signal(index_range(self.config.tile_rows)), Signal(16)
        kernel_x, kernel_y = Signal(8), Signal(8)
        line_end, column_end, tile_end, block_end = (Signal(name=name) for name in (
            "line_end", "column_end", "tile_end", "block_end"))
        done = Signal()                       # with the tile
        left, count = Signal(16), Signal(32)  # columns from this block on; tiles of the block
        base, following = Signal(_NEURON_BITS), Signal(_NEURON_BITS)  # first neurons of blocks
        lasts = Signal(_COLUMN_BITS)          # neurons of former columns in the last tile
        m.d.comb += [
            at.valid.eq(walking & tile.valid),
            line_end.eq(kernel_x + 1 == source.kernel_width),
            at.last.eq(line_end & (kernel_y + 1 == source.kernel_height)),
            column_end.eq(row + 1 == tile.p.rows), tile_end.eq(column + 1 == at.columns),
            block_end.eq(count + 1 == layer.tiles),
            at.columns.eq(Mux(left <= layer.block_columns, left, layer.block_columns)),
            at.row.eq(row), at.column_end.eq(column_end), at.tile_end.eq(tile_end),
            at.tile.eq(tile.payload), at.base.eq(base), at.lasts.eq(lasts),
            at.firsts.eq(column << layer.tile_bits),
            done.eq(at.valid & flow & at.last & column_end & tile_end), tile.ready.eq(done),
        ]
        self._follow(m, at, at.valid & flow & at.last, column_end, done, block_end,
                     kernel_x, kernel_y)
        with m.If(at.valid & flow):
            m.d.sync += [kernel_x.eq(Mux(line_end, 0, kernel_x + 1)),
                         kernel_y.eq(Mux(at.last, 0, kernel_y + line_end))]
        with m.If(at.valid & flow & at.last):
            m.d.sync += row.eq(Mux(column_end, 0, row + 1))
        with m.If(at.valid & flow & at.last & column_end):
            m.d.sync += [column.eq(Mux(tile_end, 0, column + 1)), lasts.eq(Mux(
                tile_end, 0, lasts + (source.pass_pitch & ((1 << layer.tile_bits) - 1))))]
            with m.If(count == 0):
                m.d.sync += following.eq(following + source.pass_pitch)
        with m.If(done):
            m.d.sync += count.eq(Mux(block_end, 0, count + 1))
            with m.If(block_end):
                m.d.sync += [left.eq(left - at.columns), walking.eq(left != at.columns),
                             base.eq(Mux(count == 0, following + source.pass_pitch, following))]
        with m.If(self.start):
            m.d.sync += [walking.eq(1), left.eq(layer.columns), count.eq(0), base.eq(0),
                         following.eq(0), row.eq(0), column.eq(0), lasts.eq(0)]
        return at

    def _follow(self, m: Module, at, window_end, column_end, done, block_end, kernel_x,
                kernel_y) -> None:
        """Add the position of the window; each column of a tile begins with the same one."""
        layer, source = self.layer, self.layer.sources[0]
        position = data.StructLayout({
            "index": 16, "y": signed(_COORDINATE_BITS), "x": signed(_COORDINATE_BITS)})
        here, following, tile_start, first = (Signal(position, name=name) for name in (
            "here", "following", "tile_start", "first"))
        turn = Signal()
        m.d.comb += [
            first.y.eq(-source.padding_top), first.x.eq(-source.padding_left),
            turn.eq(here.index + 1 == layer.out_width),
            following.index.eq(Mux(turn, 0, here.index + 1)),
            following.y.eq(here.y + Mux(turn, source.stride, 0)),
            following.x.eq(Mux(turn, first.x, here.x + source.stride)),
            at.y.eq(here.y + kernel_y), at.x.eq(here.x + kernel_x),
        ]
        with m.If(window_end):
            m.d.sync += here.eq(Mux(column_end & ~done, tile_start, following))
        with m.If(done):
            m.d.sync += tile_start.eq(following)
        with m.If(self.start | (done & block_end)):
            m.d.sync += [here.eq(first), tile_start.eq(first)]

    def _step_layout(self) -> data.StructLayout:
        """Return what is known of a member before its neuron's number is."""
        return data.StructLayout({
            "valid": 1, "y": signed(_COORDINATE_BITS), "x": signed(_COORDINATE_BITS),
            "columns": 16, "base": _NEURON_BITS, "firsts": _COLUMN_BITS, "lasts": _COLUMN_BITS,
            **{name: member_layout(self.config)[name].shape for name in _PASSED_ON},
        })
