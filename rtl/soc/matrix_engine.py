# SPDX-License-Identifier: Apache-2.0
"""Matrix engine: elements, crossbars, attention, pooling: whatever gives a layer its psums."""

from dataclasses import dataclass, field
from typing import Any

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect

from ..attention.attention_array import AttentionArray
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
from .residual_pool import ResidualPool
from .tiles import walked_tile_layout
from .weight_loader import WeightLoader

__all__ = ["MatrixEngine"]

_ELEMENTS = "elements"
_OTHERS = ("crossbar", "attention", "residual_pool")  # flags of a layer that asks for them


class MatrixEngine(wiring.Component):
    """Multiply the rows of a layer with its weights, in elements or, as it asks, in crossbars.

    Tiles and rows go to the ones or the others, which give the same results in the same order.
    So do those of a layer that asks for attention, and the tiles of one that pools residuals.
    Without ``config.crossbar`` and ``config.attention`` there are elements only.

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
        Where the weights lie, or the residuals.
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
        Those that compute the layer are busy.
    moving : Out(1)
        Something moves in this cycle.
    faults : Out(faults_layout())
        What went wrong, as far as it is known here.
    unsupported : Out(1)
        The layer asks for what is not built.
    counters : Out(counters_layout(config))
        Performance counters of those that compute the layer; zero where residuals are pooled.
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
        self.weights = WeightLoader(config)
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
        engines = [self._add_elements(m)]
        if self.crossbars is not None:
            engines.append(self._add_crossbars(m, self.crossbars))
        if self.config.attention is not None:
            engines += [self._add_attention(m), self._add_residual_pool(m)]
        built = {engine.name for engine in engines}
        chosen = {name: Signal(name=f"use_{name}") for name in (_ELEMENTS, *_OTHERS)}
        others = Cat(chosen[name] for name in _OTHERS)
        m.d.comb += [
            chosen[_ELEMENTS].eq(~others.any()),
            *(chosen[name].eq(self.layer[name]) for name in _OTHERS),
        ]
        with m.If((self.layer.operation == Operation.LAYER)
                  & Cat(chosen[name] for name in _OTHERS if name not in built).any()):
            m.d.comb += self.unsupported.eq(1)
        with m.Elif(self.weights.unsupported):
            m.d.comb += self.unsupported.eq(1)
        self._connect(m, [(chosen[engine.name], engine) for engine in engines])
        return m

    def _add_elements(self, m: Module) -> "_Engine":
        """Add the elements, which compute all layers that name no others."""
        m.submodules.weight_loader = weights = self.weights
        m.submodules.array = array = self.array
        connect(m, weights.o, array.i_weights if self.config.looks_up else array.i_column)
        m.d.comb += [weights.layer.eq(self.layer), array.clear.eq(self.clear)]
        return _Engine(name=_ELEMENTS, unit=array, memory=weights.memory, starts=[weights.start],
                       busy=weights.busy | array.busy, moving=weights.o.valid & weights.o.ready,
                       faults={"weight_buffer_overflow": weights.error})

    def _add_crossbars(self, m: Module, crossbars: CrossbarArray) -> "_Engine":
        """Add the crossbars."""
        m.submodules.cell_loader = cells = CellLoader(self.config)
        m.submodules.crossbars = crossbars
        connect(m, cells.o, crossbars.i_cells)
        m.d.comb += [
            cells.layer.eq(self.layer), crossbars.clear.eq(self.clear),
            *(crossbars.blocks[name].eq(self.layer[name])
              for name, _ in crossbars.blocks.shape()),
            self.cell_failures.eq(crossbars.effort.failures),
        ]
        return _Engine(name="crossbar", unit=crossbars, memory=cells.memory,
                       starts=[cells.start, crossbars.start], busy=cells.busy | crossbars.busy,
                       moving=crossbars.moving, faults={"bad_descriptor": cells.error})

    def _add_attention(self, m: Module) -> "_Engine":
        """Add the attention unit."""
        m.submodules.attention = attention = AttentionArray(
            self.config, walked_tile_layout(self.config))
        source = self.layer.sources[0]
        m.d.comb += [
            attention.clear.eq(self.clear),
            attention.layer.heads.eq(source.heads),
            attention.layer.head_channels.eq(source.head_channels),
            *(attention.layer[name].eq(self.layer[name])
              for name in ("chunk_steps", "columns", "tiles")),
        ]
        return _Engine(name="attention", unit=attention, starts=[attention.start],
                       busy=attention.busy, moving=attention.moving,
                       faults={"bad_descriptor": attention.illegal})

    def _add_residual_pool(self, m: Module) -> "_Engine":
        """Add the pooling of residuals."""
        m.submodules.residual_pool = pool = ResidualPool(self.config)
        m.d.comb += pool.layer.eq(self.layer)
        return _Engine(name="residual_pool", unit=pool, memory=pool.memory, starts=[pool.start],
                       busy=pool.busy)

    def _connect(self, m: Module, engines: list[tuple[Signal, "_Engine"]]) -> None:
        """Connect the engines; each layer tells who computes it."""
        inputs = {"i_tile": [], "i_row": []}
        requests, data_sinks, results = [], [], []
        faults: dict[str, list[Value]] = {name: [] for name, _ in self.faults.shape()}
        for chosen, engine in engines:
            unit, ports = engine.unit, engine.unit.signature.members
            m.d.comb += [start.eq(self.start & chosen) for start in engine.starts]
            if "i_busy" in ports:
                m.d.comb += unit.i_busy.eq(self.i_busy & chosen)
            for name, sinks in inputs.items():
                if name in ports:
                    sinks.append((chosen, getattr(unit, name)))
            if engine.memory is not None:
                requests.append((chosen, engine.memory.request))
                data_sinks.append((chosen, engine.memory.data))
            results.append((chosen, unit.o))
            if "error" in ports:
                for name, _ in unit.error.shape():
                    faults[name].append(unit.error[name])
            for name, fault in engine.faults.items():
                faults[name].append(fault)
            with m.If(chosen):
                m.d.comb += self.computes.eq(unit.busy)
                if "counters" in ports:
                    m.d.comb += self.counters.eq(unit.counters)
        m.d.comb += [
            self.busy.eq(Cat(engine.busy for _, engine in engines).any()),
            self.moving.eq(Cat(*(engine.moving for _, engine in engines),
                               self.o.valid & self.o.ready).any()),
            *(self.faults[name].eq(Cat(found).any()) for name, found in faults.items() if found),
        ]
        for name, sinks in inputs.items():
            _choose_sink(m, getattr(self, name), sinks)
        _choose_sink(m, self.memory.data, data_sinks)
        _choose_source(m, requests, self.memory.request)
        _choose_source(m, results, self.o)


@dataclass(frozen=True, kw_only=True)
class _Engine:
    """What computes layers, and what loads its operands.

    ``unit`` has the streams ``i_tile`` and ``o``, and may have ``i_row``, ``i_busy``, ``error`` and
    ``counters``.
    """

    name: str
    unit: Any
    starts: list[Signal]
    busy: Value
    memory: Any = None
    moving: Value | int = 0
    faults: dict[str, Value] = field(default_factory=dict)


def _choose_sink(m: Module, source: stream.Interface, sinks) -> None:
    """Connect a stream to the one of its sinks that is chosen."""
    for chosen, sink in sinks:
        m.d.comb += [sink.payload.eq(source.payload), sink.valid.eq(source.valid & chosen)]
    m.d.comb += source.ready.eq(Cat(sink.ready & chosen for chosen, sink in sinks).any())


def _choose_source(m: Module, sources, sink: stream.Interface) -> None:
    """Connect the one of the streams that is chosen to a sink."""
    m.d.comb += sink.valid.eq(Cat(source.valid & chosen for chosen, source in sources).any())
    for chosen, source in sources:
        m.d.comb += source.ready.eq(sink.ready & chosen)
        with m.If(chosen):
            m.d.comb += sink.payload.eq(source.payload)
