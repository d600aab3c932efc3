# SPDX-License-Identifier: Apache-2.0
"""Matrix engine: the array of elements and the crossbars, each with what loads its weights."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.activity_counters import counters_layout
from ..ftp.array_layouts import array_row_layout
from ..ftp.tppe_array import TPPEArray
from ..imc.crossbar_array import CrossbarArray
from ..pe.lookup_array import LookupArray
from .cell_loader import CellLoader
from .descriptor import Operation, descriptor_layout
from .memory_port import ReadClient
from .neuron_stream import walked_result_layout
from .program_rules import faults_layout
from .tiles import walked_tile_layout
from .weight_loader import WeightLoader

__all__ = ["MatrixEngine"]


class MatrixEngine(wiring.Component):
    """Multiply the rows of a layer with its weights, in elements or, as it asks, in crossbars.

    Tiles and rows go to the ones or the others, which give the same results in the same order.
    Without ``config.crossbar`` there are elements only.

    The modules in the attribute ``shared`` are instantiated, not contained.

    Latency: none of its own. Throughput: one layer at a time.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything but the cells. What is still to come from memory must
    not come.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        Layer to compute; steady while ``busy``.
    start : In(1)
        Begin; counts while not ``busy``.
    clear : In(1)
        Set the counters to zero.
    memory : Out(ReadClient(config))
        Where the weights lie.
    i_tile : In(stream.Signature(walked_tile_layout(config)))
        Tiles of all weight blocks.
    i_row : In(stream.Signature(array_row_layout(config)))
        Spike fibers, one for each row of each tile.
    o : Out(stream.Signature(walked_result_layout(config)))
        Psums of each tile in order of column, then row.
    i_busy : In(1)
        Results are at work behind: those that compute count as busy.
    busy : Out(1)
        High while anything of the layer is to be done.
    computes : Out(1)
        Elements or crossbars are busy.
    moving : Out(1)
        Something moves in this cycle.
    faults : Out(faults_layout())
        What went wrong, as far as it is known here.
    unsupported : Out(1)
        The layer asks for what is not built.
    counters : Out(counters_layout(config))
        Performance counters of those that compute the layer.
    cell_failures : Out(32)
        Cells of crossbars that missed their target since reset; it wraps around.
    """

    layer: data.View
    start: Signal
    clear: Signal
    memory: Any
    i_tile: stream.Interface
    i_row: stream.Interface
    o: stream.Interface
    i_busy: Signal
    busy: Signal
    computes: Signal
    moving: Signal
    faults: data.View
    unsupported: Signal
    counters: data.View
    cell_failures: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        tile = walked_tile_layout(config)
        self.array: Any = (LookupArray if config.looks_up else TPPEArray)(config, tile)
        self.crossbars = CrossbarArray(config, tile) if config.crossbar else None
        self.shared = {**self.array.shared, **(self.crossbars.shared if self.crossbars else {})}
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "clear": In(1),
            "memory": Out(ReadClient(config)),
            "i_tile": In(stream.Signature(tile)),
            "i_row": In(stream.Signature(array_row_layout(config))),
            "o": Out(stream.Signature(walked_result_layout(config))),
            "i_busy": In(1),
            "busy": Out(1),
            "computes": Out(1),
            "moving": Out(1),
            "faults": Out(faults_layout()),
            "unsupported": Out(1),
            "counters": Out(counters_layout(config)),
            "cell_failures": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.weight_loader = weights = WeightLoader(self.config)
        m.submodules.array = array = self.array
        connect(m, weights.o, array.i_weights if self.config.looks_up else array.i_column)
        m.d.comb += [
            weights.layer.eq(self.layer),
            array.clear.eq(self.clear),
            self.faults.weight_buffer_overflow.eq(weights.error),
        ]
        weights_move = weights.o.valid & weights.o.ready
        if self.crossbars is None:
            self._use_elements(m, weights, array, weights_move)
        else:
            self._use_both(m, weights, array, self.crossbars, weights_move)
        return m

    def _use_elements(self, m: Module, weights, array, weights_move) -> None:
        """Connect the elements, which compute every layer."""
        asked = (self.layer.operation == Operation.LAYER) & self.layer.crossbar
        connect(m, weights.memory, flipped(self.memory))
        for name in ("i_tile", "i_row", "o"):
            connect(m, flipped(getattr(self, name)), getattr(array, name))
        m.d.comb += [
            weights.start.eq(self.start),
            array.i_busy.eq(self.i_busy),
            self.busy.eq(weights.busy | array.busy),
            self.computes.eq(array.busy),
            self.moving.eq(weights_move | (self.o.valid & self.o.ready)),
            self.unsupported.eq(weights.unsupported | asked),
            self.counters.eq(array.counters),
            *(self.faults[name].eq(array.error[name]) for name, _ in array.error.shape()),
        ]

    def _use_both(self, m: Module, weights, array, crossbars: CrossbarArray,
                  weights_move) -> None:
        """Connect elements and crossbars; each layer tells who computes it."""
        m.submodules.cell_loader = cells = CellLoader(self.config)
        m.submodules.crossbars = crossbars
        connect(m, cells.o, crossbars.i_cells)
        chosen = Signal()  # the crossbars
        errors = {name: Cat(unit.error[name] for unit in (array, crossbars)
                            if name in unit.error.shape().members)
                  for name in self.faults.shape().members}
        m.d.comb += [
            chosen.eq(self.layer.crossbar),
            cells.layer.eq(self.layer),
            weights.start.eq(self.start & ~chosen),
            cells.start.eq(self.start & chosen),
            crossbars.start.eq(self.start & chosen),
            *(crossbars.blocks[name].eq(self.layer[name])
              for name, _ in crossbars.blocks.shape()),
            crossbars.clear.eq(self.clear),
            self.cell_failures.eq(crossbars.effort.failures),
            array.i_busy.eq(self.i_busy & ~chosen),
            crossbars.i_busy.eq(self.i_busy & chosen),
            self.busy.eq(weights.busy | array.busy | cells.busy | crossbars.busy),
            self.computes.eq(Mux(chosen, crossbars.busy, array.busy)),
            self.moving.eq(weights_move | crossbars.moving | (self.o.valid & self.o.ready)),
            self.unsupported.eq(weights.unsupported),
            self.counters.eq(Mux(chosen, crossbars.counters, array.counters)),
            self.faults.bad_descriptor.eq(cells.error),
            *(self.faults[name].eq(bits.any()) for name, bits in errors.items() if len(bits)),
        ]
        _choose_sink(m, chosen, self.memory.data, (weights.memory.data, cells.memory.data))
        _choose_source(m, chosen, (weights.memory.request, cells.memory.request),
                       self.memory.request)
        _choose_sink(m, chosen, self.i_tile, (array.i_tile, crossbars.i_tile))
        _choose_sink(m, chosen, self.i_row, (array.i_row, crossbars.i_row))
        _choose_source(m, chosen, (array.o, crossbars.o), self.o)


def _choose_sink(m: Module, second, source: stream.Interface, sinks) -> None:
    """Connect a stream to the one or the other of two sinks."""
    for sink, chosen in zip(sinks, (~second, second), strict=True):
        m.d.comb += [sink.payload.eq(source.payload), sink.valid.eq(source.valid & chosen)]
    m.d.comb += source.ready.eq(Mux(second, sinks[1].ready, sinks[0].ready))


def _choose_source(m: Module, second, sources, sink: stream.Interface) -> None:
    """Connect the one or the other of two streams to a sink."""
    for source, chosen in zip(sources, (~second, second), strict=True):
        m.d.comb += source.ready.eq(sink.ready & chosen)
    m.d.comb += [
        sink.payload.eq(Mux(second, sources[1].payload, sources[0].payload)),
        sink.valid.eq(Mux(second, sources[1].valid, sources[0].valid)),
    ]
