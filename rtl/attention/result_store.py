# SPDX-License-Identifier: Apache-2.0
"""Result store: results of a tile come token by token and leave channel by channel."""

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from ..pe.lookup_layouts import lookup_result_layout, rows_tile_layout
from ..stream_queue import StreamQueue
from .layouts import attention_layout, part_of, sums_layout

__all__ = ["ResultStore"]

_TILES = 4  # that wait for their results


class ResultStore(wiring.Component):
    """Collect the results of a tile, and then give them out, while those of the next one come.

    Latency: 2 cycles from the last results of a tile to its first one.
    Throughput: a group in and a result (all timesteps) out per cycle.
    Back-pressure: a result that waits on ``o`` stops the others; ``i`` must stop by itself.
    Reset: synchronous; forgets all results.

    Parameters
    ----------
    config : AcceleratorConfig
    tile_shape : data.StructLayout
        Description of a tile, which travels along; ``rows_tile_layout(config)`` if not given.

    Members
    -------
    layer : In(attention_layout())
        Heads and their channels; steady while ``busy``.
    i_tile : In(stream.Signature(rows_tile_layout(config)))
        Tiles, each before its results; with ``tile_shape`` in that.
    i : In(stream.Signature(sums_layout(config), always_ready=True))
        Results of each token, group by group; a tile begins only while ``free``.
    o : Out(stream.Signature(lookup_result_layout(config)))
        Results of each tile in order of channel, then row; with ``tile_shape`` in that.
    free : Out(1)
        The results of a further tile may come.
    busy : Out(1)
        High while a tile or a result is held.
    """

    layer: data.View
    i_tile: stream.Interface
    i: stream.Interface
    o: stream.Interface
    free: Signal
    busy: Signal

    def __init__(self, config: AcceleratorConfig, tile_shape: data.StructLayout | None = None):
        self.config, self.tile_shape = config, tile_shape or rows_tile_layout(config)
        super().__init__({
            "layer": In(attention_layout()),
            "i_tile": In(stream.Signature(self.tile_shape)),
            "i": In(stream.Signature(sums_layout(config), always_ready=True)),
            "o": Out(stream.Signature(lookup_result_layout(config, self.tile_shape))),
            "free": Out(1),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        part = part_of(self.config)
        m.submodules.tiles = tiles = StreamQueue(self.tile_shape, _TILES)
        connect(m, flipped(self.i_tile), tiles.i)
        m.submodules.memory = memory = Memory(
            shape=sums_layout(self.config)["sums"].shape, depth=2 * part.rows * part.groups,
            init=[])
        held = [Signal(self.tile_shape, name=f"tile_{bank}") for bank in range(2)]
        full, given, filled = Signal(range(3)), Signal(), Signal()
        bank, row = Signal(), Signal(index_range(part.rows))
        write, token_end = memory.write_port(), Signal()
        m.d.comb += [
            write.en.eq(self.i.valid), write.data.eq(self.i.p.sums),
            write.addr.eq((Mux(bank, part.rows, 0) + row) * part.groups + self.i.p.place),
            token_end.eq(self.i.valid & self.i.p.end),
            filled.eq(token_end & (row + 1 == tiles.o.p.rows)), tiles.o.ready.eq(filled),
            self.free.eq(full != 2),
            self.busy.eq(tiles.busy | (full != 0) | self.o.valid),
        ]
        m.d.sync += full.eq(full + filled - given)
        with m.If(token_end):
            m.d.sync += row.eq(Mux(filled, 0, row + 1))
        for index, tile in enumerate(held):
            with m.If(filled & (bank == index)):
                m.d.sync += [tile.eq(tiles.o.p), bank.eq(~bank)]
        self._give(m, memory.read_port(), held, full != 0, given)
        return m

    def _give(self, m: Module, read, held, complete, given) -> None:
        """Walk over the channels of a tile, and over its rows for each of them."""
        part, layer, o = part_of(self.config), self.layer, self.o
        bank, row = Signal(name="give_bank"), Signal(index_range(part.rows), name="give_row")
        head, channel = Signal(8), Signal(16)   # the latter within the head
        place, lane = Signal(self.i.p.place.shape()), Signal(index_range(part.adders))
        row_end, head_end, group_end, final = Signal(), Signal(), Signal(), Signal()
        flow, step, chosen = Signal(), Signal(), Signal.like(lane)
        tile = Signal(self.tile_shape, name="tile")
        m.d.comb += [
            tile.eq(Array(held)[bank]), flow.eq(~o.valid | o.ready), step.eq(complete & flow),
            row_end.eq(row + 1 == tile.rows), head_end.eq(channel + 1 == layer.head_channels),
            group_end.eq(head_end | (lane == part.adders - 1)),
            final.eq(head_end & (head + 1 == layer.heads)), given.eq(step & row_end & final),
            read.addr.eq((Mux(bank, part.rows, 0) + row) * part.groups + place),
            read.en.eq(step),
        ]
        for step_index in range(self.config.timesteps):
            m.d.comb += o.p.psums[step_index].eq(
                Array(sums[step_index] for sums in read.data)[chosen])
        with m.If(flow):
            m.d.sync += o.valid.eq(step)
        with m.If(step):
            m.d.sync += [
                chosen.eq(lane), o.p.row.eq(row), o.p.column_end.eq(row_end), o.p.last.eq(final),
                o.p.tile.eq(tile), row.eq(Mux(row_end, 0, row + 1)),
            ]
        with m.If(step & row_end):
            m.d.sync += [
                lane.eq(Mux(group_end, 0, lane + 1)), channel.eq(Mux(head_end, 0, channel + 1)),
                head.eq(Mux(final, 0, head + head_end)),
                place.eq(Mux(final, 0, place + group_end)),
                bank.eq(bank ^ final),
            ]
