# SPDX-License-Identifier: Apache-2.0
"""Layer check: is what a descriptor says of rows and fibers possible."""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .descriptor import SOURCES, descriptor_layout

__all__ = ["LayerCheck"]


class _State(enum.Enum, shape=2):
    """What is checked."""

    IDLE = 0
    FIELDS = 1
    REACH = 2  # positions of the taps that share a chunk
    TAPS = 3   # chunks of a fiber


class LayerCheck(wiring.Component):
    """Check the fields that the walk over rows and fibers needs.

    None of the loops may be empty. There are one or two sources; taps share a chunk only where
    a pixel has one chunk, and they must fit it. All taps together must make as many chunks as
    the descriptor says, ``max_chunks`` at most. What depends on tiles, `TileWalker` checks.
    Attention and pooling of residuals have one source and one pass, and no windows behind the
    neurons; attention has one block. A window of residuals must reach into the map: it is larger
    than what lies before the map.

    Latency: 2 cycles, and for each source one for each tap of the kernel and of a chunk; 1 cycle
    where residuals are pooled.
    Throughput: one layer at a time. Back-pressure: none.
    Reset: synchronous; forgets the layer.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        What is checked.
    start : In(1)
        Begin; for one cycle.
    busy : Out(1)
        High while the check goes on.
    legal : Out(1)
        All is well; for one cycle.
    illegal : Out(1)
        Something is wrong; for one cycle.
    """

    layer: data.View
    start: Signal
    busy: Signal
    legal: Signal
    illegal: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "busy": Out(1),
            "legal": Out(1),
            "illegal": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        chunk, max_chunks = self.config.chunk, self.config.max_chunks
        state = Signal(_State)
        index = Signal(index_range(SOURCES))
        source = Array(self.layer.sources[number] for number in range(
            self.config.bounds.sources))[index]
        bits = self.config.bounds.kernel_bits
        shared = Signal(self.config.tap_bits)  # taps of a chunk
        x, y = Signal(bits), Signal(bits)      # of the kernel
        reach = Signal(range(chunk + 1))
        chunks = Signal(range(max_chunks + 1))
        reach_next, chunks_next = Signal(17), Signal(17)
        group_end, line_end, over = Signal(), Signal(), Signal()
        final = Signal()
        m.d.comb += [
            self.busy.eq(state != _State.IDLE),
            reach_next.eq(reach + source.tap_positions),
            chunks_next.eq(chunks + Mux(shared == 0, source.chunks, 0)),
            group_end.eq(shared + 1 == source.taps_per_chunk),
            line_end.eq(x + 1 == source.kernel_width),
            final.eq(index + 1 == self.layer.source_count),
        ]
        with m.Switch(state):
            with m.Case(_State.FIELDS):
                legal = self._fields_are_legal()
                m.d.comb += [self.illegal.eq(~legal),
                             self.legal.eq(legal & self.layer.residual_pool)]
                m.d.sync += [state.eq(_State.REACH), index.eq(0), chunks.eq(0)]
                m.d.sync += [shared.eq(0), reach.eq(0), x.eq(0), y.eq(0)]
            with m.Case(_State.REACH):
                m.d.comb += self.illegal.eq(reach_next > chunk)
                m.d.sync += [shared.eq(shared + 1), reach.eq(reach_next)]
                with m.If(group_end):
                    m.d.sync += [state.eq(_State.TAPS), shared.eq(0), reach.eq(0)]
            with m.Case(_State.TAPS):
                m.d.comb += over.eq(chunks_next > max_chunks)
                m.d.sync += [
                    shared.eq(Mux(group_end, 0, shared + 1)), chunks.eq(chunks_next),
                    x.eq(Mux(line_end, 0, x + 1)), y.eq(y + line_end),
                ]
                with m.If(over):
                    m.d.comb += self.illegal.eq(1)
                with m.Elif(line_end & (y + 1 == source.kernel_height)):
                    m.d.sync += [state.eq(_State.REACH), index.eq(1), shared.eq(0), y.eq(0)]
                    with m.If(final):
                        m.d.comb += [
                            self.legal.eq(chunks_next == self.layer.chunks),
                            self.illegal.eq(chunks_next != self.layer.chunks),
                        ]
        with m.If(self.legal | self.illegal):
            m.d.sync += state.eq(_State.IDLE)
        with m.If(self.start):
            m.d.sync += state.eq(_State.FIELDS)
        return m

    def _fields_are_legal(self):
        """Return whether each field is legal for itself."""
        layer = self.layer
        present = [
            layer.pool, layer.out_height, layer.out_width, layer.passes, layer.windows_per_tile,
            layer.members_per_tile, layer.out_passes, layer.columns, layer.blocks, layer.chunks,
            layer.tiles,
        ]
        legal = [field.any() for field in present]
        legal.append((layer.source_count == 1) | (layer.source_count == 2))
        for index in range(self.config.bounds.sources):
            source = layer.sources[index]
            fields = [
                source.kernel_height, source.kernel_width, source.stride, source.chunks,
                source.taps_per_chunk,
            ]
            alone = source.taps_per_chunk == 1
            of_source = Cat(*(field.any() for field in fields),
                            alone | (source.chunks == 1) & source.tap_positions.any()).all()
            legal.append(of_source | (index >= layer.source_count))
        return Cat(*legal, self._engine_is_legal()).all()

    def _engine_is_legal(self):
        """Return whether attention or pooling of residuals, if asked for, is possible."""
        layer, source = self.layer, self.layer.sources[0]
        alone = ((layer.source_count == 1) & (layer.passes == 1) & (layer.pool == 1))
        one_block = alone & (layer.blocks == 1)
        reaches = Cat(source.height.any(), source.width.any(), layer.block_columns.any(),
                      source.padding_top < source.kernel_height,
                      source.padding_left < source.kernel_width).all()
        return ((one_block | ~layer.attention) & ((alone & reaches) | ~layer.residual_pool))
