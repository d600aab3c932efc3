# SPDX-License-Identifier: Apache-2.0
"""Result gatherer: the results of some elements in one stream."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ArrayConfig
from ..one_hot import encode
from .array_layouts import lane_result_layout, lane_tile_layout
from .layouts import result_layout

__all__ = ["ResultGatherer"]


class ResultGatherer(wiring.Component):
    """Take the results of a lane's elements in order of column, element, row.

    Latency: 1 cycle. Throughput: 1 result per cycle.
    Back-pressure: a result that waits on ``o`` stops all inputs in the same cycle.
    Reset: synchronous; drops a waiting result.

    Parameters
    ----------
    config : ArrayConfig
    tile_shape : data.StructLayout
        Description of a tile of the array.

    Members
    -------
    i_tile : In(stream.Signature(lane_tile_layout(config, tile_shape)))
        Tiles; each is taken with its last result.
    i : In(stream.Signature(result_layout(config))).array(tppes // output_lanes)
        Results of each element.
    o : Out(stream.Signature(lane_result_layout(config, tile_shape)))
        Results of all elements.
    """

    i_tile: stream.Interface
    i: list[stream.Interface]
    o: stream.Interface

    def __init__(self, config: ArrayConfig, tile_shape: data.StructLayout):
        self.config = config
        self.tile_shape = tile_shape
        self.count = config.tppes // config.output_lanes
        super().__init__({
            "i_tile": In(stream.Signature(lane_tile_layout(config, tile_shape))),
            "i": In(stream.Signature(result_layout(config))).array(self.count),
            "o": Out(stream.Signature(lane_result_layout(config, tile_shape))),
        })

    def elaborate(self, platform):
        m = Module()
        left, rest = Signal(self.count), Signal(self.count)  # elements still to come in a column
        chosen, done = Signal(self.count), Signal(self.count)
        result, result_valid = Signal(result_layout(self.config)), Signal()
        flow, take, column_end = Signal(), Signal(), Signal()
        element = encode(m, chosen)
        with m.Switch(element):
            for index, source in enumerate(self.i):
                with m.Case(index):
                    m.d.comb += [result.eq(source.payload), result_valid.eq(source.valid)]
        m.d.comb += [
            left.eq(self.i_tile.p.elements & ~done),
            rest.eq(left & (left - 1)),
            chosen.eq(left & ~rest),
            flow.eq(~self.o.valid | self.o.ready),
            take.eq(self.i_tile.valid & flow & result_valid),
            column_end.eq(result.column_end & ~rest.any()),
            self.i_tile.ready.eq(take & column_end & result.final),
        ]
        for index, source in enumerate(self.i):
            m.d.comb += source.ready.eq(take & chosen[index])
        with m.If(take & result.column_end):
            m.d.sync += done.eq(Mux(column_end, 0, done | chosen))
        with m.If(flow):
            m.d.sync += self.o.valid.eq(take)
        with m.If(take):
            m.d.sync += [
                self.o.p.psums.eq(result.psums),
                self.o.p.row.eq(element * self.config.rows_per_pe + result.row),
                self.o.p.column_end.eq(column_end),
                self.o.p.last.eq(result.final),
                self.o.p.tile.eq(self.i_tile.p.passed),
            ]
        return m
