# SPDX-License-Identifier: Apache-2.0
"""Element array: rows side by side, weight lists broadcast to groups, results gathered in lanes."""

import functools
import itertools
import operator

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import ArrayConfig
from ..ftp.activity_counters import ActivityCounters
from ..ftp.row_buffer import row_beat_layout
from ..ftp.tppe import Activity
from ..shared_module import instantiate
from ..stream_queue import StreamQueue
from .array_layouts import (
    element_array_error_layout,
    element_counters_layout,
    lane_result_layout,
    lane_tile_layout,
    passed_tile_layout,
)
from .element import Element
from .layouts import list_beat_layout
from .line_expander import line_layout
from .result_gatherer import ResultGatherer

__all__ = ["ElementArray"]

_TILES = 4  # tiles that wait for columns, and for results


class ElementArray(wiring.Component):
    """Multiply a tile of spikes with weight matrices given as lists.

    A tile has any of the ``P * r`` rows. Its elements form 1 to ``S`` groups, each with columns
    of its own on a weight stream of its own; all groups in use take columns, the next tile's when
    each has had its last of this one. Row fibers of the next tile are loaded while this one is
    computed. Lane l gathers the results of ``P / L`` elements, those from ``l * P / L`` on, in
    order of column, then row; a lane without a row in the tile gives nothing.

    Same result as ``spikeloom.models.golden.ftp_array.ftp_matmul``.

    The module ``element`` is instantiated, not contained: whoever emits this component lists its
    attribute ``shared``.

    Latency: that of `Element`, then 1 cycle.
    Throughput: `P` times that of `Element`, at most 1 output neuron (all timesteps) per cycle
    and lane.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything and clears ``error`` and ``counters``.

    Parameters
    ----------
    config : ArrayConfig
    tile_shape : data.StructLayout
        Description of a tile; its fields ``used`` and ``groups`` are what the array needs, see
        `spiking_tile_layout`, and all others travel along to the results.
    lines : bool
        Rows come expanded, one after another: in place of ``i_row`` there is a stream ``i_line``
        of `line_layout`, and there is no ``row_overflow``.

    Members
    -------
    i_tile : In(stream.Signature(tile_shape))
        Tiles, in the order of their columns.
    i_row : In(stream.Signature(row_beat_layout(config))).array(tile_rows)
        Spike fibers; row j of element p takes stream ``p * r + j``, one for each tile it is in.
    i_weights : In(stream.Signature(list_beat_layout(config))).array(weight_streams)
        Lists of columns; the last one of a tile is ``final``.
    o : Out(stream.Signature(lane_result_layout(config, tile_shape))).array(output_lanes)
        Psums of each row and column, from each lane.
    i_busy : In(1)
        Results are at work behind the array: it still counts as busy.
    busy : Out(1)
        High from the first tile until all its results have left, and while ``i_busy`` is.
    error : Out(element_array_error_layout())
        Why the array stopped: with any bit set it takes no tile, row or weight; results that
        leave after the error are void.
    counters : Out(element_counters_layout(config))
        Performance counters of the busy cycles.
    clear : In(1)
        Set the counters to zero.
    """

    i_tile: stream.Interface
    i_row: list[stream.Interface]
    i_line: stream.Interface
    i_weights: list[stream.Interface]
    o: list[stream.Interface]
    i_busy: Signal
    busy: Signal
    error: data.View
    counters: data.View
    clear: Signal

    def __init__(self, config: ArrayConfig, tile_shape: data.StructLayout, lines: bool = False):
        self.config = config
        self.tile_shape = tile_shape
        self.lines = lines
        self.shared = {"element": Element(config, lines)}
        result = lane_result_layout(config, tile_shape)
        row, weights = row_beat_layout(config), list_beat_layout(config)
        super().__init__({
            "i_tile": In(stream.Signature(tile_shape)),
            **({"i_line": In(stream.Signature(line_layout(config)))} if lines else
               {"i_row": In(stream.Signature(row)).array(config.tile_rows)}),
            "i_weights": In(stream.Signature(weights)).array(config.weight_streams),
            "o": Out(stream.Signature(result)).array(config.output_lanes),
            "i_busy": In(1),
            "busy": Out(1),
            "error": Out(element_array_error_layout()),
            "counters": Out(element_counters_layout(config)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        elements = []
        for index in range(self.config.tppes):
            m.submodules[f"element_{index}"], ports = instantiate(
                "element", self.shared["element"])
            elements.append(ports)
        stop = Signal()
        m.d.comb += stop.eq(self.error.as_value().any())
        for name in ("row_overflow", "length_mismatch", "place_overflow"):
            m.d.comb += self.error[name].eq(
                Cat(element.error[name] for element in elements).any())

        columns, lanes = self._take_tiles(m, elements, stop)
        self._load_rows(m, elements, stop)
        causes = self._broadcast(m, elements, columns.o, stop)
        self._gather(m, elements, lanes)
        m.d.comb += self.busy.eq(
            Cat(columns.busy, (lane.busy for lane in lanes), (o.valid for o in self.o)).any()
            | self.i_busy)
        self._count(m, elements, causes)
        return m

    def _take_tiles(self, m: Module, elements: list, stop) -> tuple[StreamQueue, list]:
        """Hand each tile to its elements; queue it for their columns, and for their lanes."""
        tile, r = self.i_tile, self.config.rows_per_pe
        active, blocked = Signal(len(elements)), Signal(len(elements))
        legal_groups, take = Signal(), Signal()
        passed = Cat(tile.p[name] for name in passed_tile_layout(self.tile_shape).members)
        m.submodules.columns = columns = StreamQueue(data.StructLayout({
            "elements": len(elements), "groups": tile.p.groups.shape()}), _TILES)
        share = len(elements) // self.config.output_lanes
        lanes = []
        for index in range(self.config.output_lanes):
            m.submodules[f"tiles_{index}"] = lane = StreamQueue(
                lane_tile_layout(self.config, self.tile_shape), _TILES)
            members = active[index * share:(index + 1) * share]
            m.d.comb += [
                lane.i.p.elements.eq(members),
                lane.i.p.passed.eq(passed),
                lane.i.valid.eq(take & members.any()),
            ]
            lanes.append(lane)
        m.d.comb += [
            legal_groups.eq((1 << tile.p.groups)[:self.config.weight_streams.bit_length()].any()),
            tile.ready.eq(columns.i.ready & Cat(lane.i.ready for lane in lanes).all()
                          & ~blocked.any() & ~stop),
            take.eq(tile.valid & tile.ready & active.any() & legal_groups),
            columns.i.p.elements.eq(active),
            columns.i.p.groups.eq(tile.p.groups),
            columns.i.valid.eq(take),
        ]
        for index, element in enumerate(elements):
            used = tile.p.used[index * r:(index + 1) * r]
            m.d.comb += [
                active[index].eq(used.any()),
                blocked[index].eq(used.any() & ~element.i_tile.ready),
                element.i_tile.p.used.eq(used),
                element.i_tile.valid.eq(take & used.any()),
            ]
        with m.If(tile.valid & tile.ready):
            m.d.sync += [
                self.error.tile_rows.eq(~active.any()),
                self.error.tile_groups.eq(~legal_groups),
            ]
        return columns, lanes

    def _load_rows(self, m: Module, elements: list, stop) -> None:
        """Hand each spike fiber to its element."""
        if self.lines:
            line = self.i_line
            chosen = (1 << (line.p.row >> (self.config.rows_per_pe - 1).bit_length()))[
                :len(elements)]
            ready = Cat(element.i_line.ready for element in elements)
            m.d.comb += line.ready.eq((chosen & ready).any() & ~stop)
            for index, element in enumerate(elements):
                m.d.comb += [
                    element.i_line.payload.eq(line.payload),
                    element.i_line.valid.eq(line.valid & chosen[index] & ~stop),
                ]
            return
        targets = [row for element in elements for row in element.i_row]
        for source, target in zip(self.i_row, targets, strict=True):
            m.d.comb += [
                target.payload.eq(source.payload),
                target.valid.eq(source.valid & ~stop),
                source.ready.eq(target.ready & ~stop),
            ]

    def _broadcast(self, m: Module, elements: list, tile: stream.Interface, stop) -> list:
        """Send each beat to all rows of its group at once; return what who waits for it does."""
        streams = self.config.weight_streams
        share = len(elements) // streams  # elements of the smallest group, a part
        in_use, free, sent, finish, move = (Signal(streams, name=name) for name in (
            "in_use", "free", "sent", "finish", "move"))  # of each stream
        offered, missing, moved = (Signal(streams, name=name) for name in (
            "offered", "missing", "moved"))  # of the stream of each part
        beats = [Signal.like(self.i_weights[0].payload, name=f"beat_{k}") for k in range(streams)]
        active, blocked = Signal(len(elements)), Signal(len(elements))
        with m.Switch(tile.p.groups):
            for groups in range(streams.bit_length()):
                with m.Case(groups):
                    size = streams >> groups
                    for g in range(1 << groups):
                        members = blocked[g * size * share:(g + 1) * size * share]
                        m.d.comb += [in_use[g].eq(1), free[g].eq(~members.any())]
                    for k, beat in enumerate(beats):
                        g = k // size
                        m.d.comb += [
                            beat.eq(self.i_weights[g].payload),
                            offered[k].eq(self.i_weights[g].valid),
                            missing[k].eq(~sent[g]),
                            moved[k].eq(move[g]),
                        ]
        for g, weights in enumerate(self.i_weights):
            m.d.comb += [
                weights.ready.eq(tile.valid & in_use[g] & ~sent[g] & free[g] & ~stop),
                move[g].eq(weights.valid & weights.ready),
                finish[g].eq(move[g] & weights.p.column_end & weights.p.final),
            ]
        m.d.comb += tile.ready.eq(~(in_use & ~sent & ~finish).any())
        m.d.sync += sent.eq(Mux(tile.valid & tile.ready, 0, sent | finish))
        causes = []
        for index, element in enumerate(elements):
            k = index // share
            ready = element.i_weights.ready
            m.d.comb += [
                active[index].eq(tile.valid & tile.p.elements[index] & missing[k]),
                blocked[index].eq(active[index] & ~ready),
                element.i_weights.payload.eq(beats[k]),
                element.i_weights.valid.eq(moved[k] & active[index]),
            ]
            held = Mux(ready, Activity.STALL_JOIN, Activity.STALL_ROW)
            causes.append(Mux(active[index], Mux(offered[k], held, Activity.STALL_COLUMN),
                              Activity.IDLE))
        self._share_live(m, elements, tile.p.groups)
        return causes

    def _share_live(self, m: Module, elements: list, groups) -> None:
        """Tell each element which weights met a spike anywhere in its group."""
        if self.config.pe != "bcast":
            return
        then = [groups, *(Signal.like(groups, name=f"groups_{delay}") for delay in (1, 2))]
        m.d.sync += [later.eq(now) for now, later in itertools.pairwise(then)]
        with m.Switch(then[-1]):  # as it was when the weights were taken
            for exponent in range(self.config.weight_streams.bit_length()):
                size = len(elements) >> exponent
                with m.Case(exponent):
                    for first in range(0, len(elements), size):
                        group = elements[first:first + size]
                        live = functools.reduce(operator.or_, (one.live for one in group))
                        m.d.comb += [one.i_live.eq(live) for one in group]

    def _gather(self, m: Module, elements: list, tiles: list) -> None:
        """Gather the results of each lane."""
        share = len(elements) // self.config.output_lanes
        for index, (lane, results) in enumerate(zip(tiles, self.o, strict=True)):
            m.submodules[f"gatherer_{index}"] = gatherer = ResultGatherer(
                self.config, self.tile_shape)
            connect(m, lane.o, gatherer.i_tile)
            connect(m, gatherer.o, flipped(results))
            for k, source in enumerate(gatherer.i):
                connect(m, elements[index * share + k].o, source)

    def _count(self, m: Module, elements: list, causes: list) -> None:
        """Add the performance counters."""
        m.submodules.activity_counters = counters = ActivityCounters(self.config)
        m.d.comb += [
            counters.busy.eq(self.busy),
            counters.clear.eq(self.clear),
            self.counters.eq(counters.counts),
        ]
        for index, (element, cause) in enumerate(zip(elements, causes, strict=True)):
            waits = element.activity == Activity.STALL_COLUMN
            m.d.comb += counters.activities[index].eq(Mux(waits, cause, element.activity))
