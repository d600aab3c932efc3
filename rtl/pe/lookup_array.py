# SPDX-License-Identifier: Apache-2.0
"""Lookup array: rows dealt to elements that look weights up, results in one stream."""

import dataclasses

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import ArrayConfig, ElementConfig
from ..ftp.activity_counters import counters_layout
from ..ftp.array_layouts import array_row_layout
from .column_sorter import ColumnSorter
from .element_array import ElementArray
from .layouts import list_beat_layout
from .line_expander import LineExpander
from .load_balancer import LoadBalancer
from .lookup_layouts import (
    dealt_tile_layout,
    lookup_error_layout,
    lookup_result_layout,
    rows_tile_layout,
)

__all__ = ["LookupArray"]


class LookupArray(wiring.Component):
    """Multiply a tile of spikes with a weight matrix given as lists.

    A tile has up to ``P * r`` rows. Its spike fibers come one after another on ``i_row`` and are
    dealt to the elements so that each gets about as many values, those of the next tile while
    this one is computed; as there is one stream of them, one expander serves all rows. The lists
    of its columns come once on ``i_weights`` and go to all elements. Results are gathered in
    order of column, then row.

    Same result as ``spikeloom.models.golden.lookup_array.lookup_array``.

    The module ``element`` is instantiated, not contained: whoever emits this component lists its
    attribute ``shared``.

    Latency: that of `ElementArray`, then 2 cycles from the last row of a column to the first.
    Throughput: that of `ElementArray`, at most 1 output neuron (all timesteps) per cycle.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything and clears ``error`` and ``counters``.

    Parameters
    ----------
    config : ElementConfig
    tile_shape : data.StructLayout
        Description of a tile; its field ``rows`` is what the array needs, 1..P * r, and all of
        it travels along to the results. Without it that is the only one.

    Members
    -------
    i_tile : In(stream.Signature(rows_tile_layout(config)))
        Tiles, in the order of their columns; with ``tile_shape`` in that.
    i_row : In(stream.Signature(array_row_layout(config)))
        Spike fibers, one for each row of each tile, from row 0 on.
    i_weights : In(stream.Signature(list_beat_layout(config)))
        Lists of columns; the last one of a tile is ``final``.
    o : Out(stream.Signature(lookup_result_layout(config)))
        Psums of each row and column; with ``tile_shape`` that is the tile in it.
    i_busy : In(1)
        Results are at work behind the array: it still counts as busy.
    busy : Out(1)
        High from the first tile until all its results have left, and while ``i_busy`` is.
    error : Out(lookup_error_layout())
        Why the array stopped: with any bit set it takes no tile, row or weight; results that
        leave after the error are void.
    counters : Out(counters_layout(config))
        Performance counters of the busy cycles.
    clear : In(1)
        Set the counters to zero.
    """

    i_tile: stream.Interface
    i_row: stream.Interface
    i_weights: stream.Interface
    o: stream.Interface
    i_busy: Signal
    busy: Signal
    error: data.View
    counters: data.View
    clear: Signal

    def __init__(self, config: ElementConfig, tile_shape: data.StructLayout | None = None):
        self.config = config
        self.tile_shape = tile_shape or rows_tile_layout(config)
        self.array = ElementArray(_array_config(config),
                                  dealt_tile_layout(config, self.tile_shape), lines=True)
        self.shared = self.array.shared
        super().__init__({
            "i_tile": In(stream.Signature(self.tile_shape)),
            "i_row": In(stream.Signature(array_row_layout(config))),
            "i_weights": In(stream.Signature(list_beat_layout(config))),
            "o": Out(stream.Signature(lookup_result_layout(config, self.tile_shape))),
            "i_busy": In(1),
            "busy": Out(1),
            "error": Out(lookup_error_layout()),
            "counters": Out(counters_layout(config)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.balancer = balancer = LoadBalancer(self.config, self.tile_shape)
        m.submodules.expander = expander = LineExpander(self.config)
        m.submodules.array = array = self.array
        m.submodules.sorter = sorter = ColumnSorter(self.config, self.tile_shape)
        stop = Signal()
        m.d.comb += stop.eq(self.error.as_value().any())
        for outer, inner in ((self.i_tile, balancer.i_tile), (self.i_row, balancer.i_row),
                             (self.i_weights, array.i_weights[0])):
            m.d.comb += [
                inner.payload.eq(outer.payload),
                inner.valid.eq(outer.valid & ~stop),
                outer.ready.eq(inner.ready & ~stop),
            ]
        connect(m, balancer.o_tile, array.i_tile)
        connect(m, balancer.o_place, sorter.i_place)
        connect(m, array.o[0], sorter.i)
        connect(m, sorter.o, flipped(self.o))
        connect(m, balancer.o_row, expander.i)
        connect(m, expander.o, array.i_line)
        m.d.comb += [
            array.i_busy.eq(sorter.busy | self.i_busy),
            array.clear.eq(self.clear),
            self.busy.eq(array.busy),
            self.counters.eq(array.counters),
            self.error.row_overflow.eq(expander.error),
            *(self.error[name].eq(array.error[name])
              for name in ("length_mismatch", "place_overflow")),
            *(self.error[name].eq(balancer.error[name]) for name in ("tile_rows", "row_index")),
        ]
        return m


def _array_config(config: ElementConfig) -> ArrayConfig:
    """Return the parameters of the array inside: one group, one lane."""
    fields = {field.name: getattr(config, field.name)
              for field in dataclasses.fields(ElementConfig)}
    return ArrayConfig(**fields, weight_streams=1, output_lanes=1)
