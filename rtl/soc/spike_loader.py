# SPDX-License-Identifier: Apache-2.0
"""Spike loader: the spike fibers of a layer, from compressed maps in memory."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.array_layouts import array_row_layout
from .descriptor import descriptor_layout
from .fiber_joiner import FiberJoiner
from .memory_port import ReadClient
from .row_walker import RowWalker
from .spike_fetch import SpikeFetch
from .spike_sifter import SpikeSifter
from .tiles import slots_layout, walked_tile_layout

__all__ = ["SpikeLoader"]


class SpikeLoader(wiring.Component):
    """Gather the rows of a convolution from compressed spike maps, without expanding them.

    Timesteps at which a source is silent are cleared in its lane words; words that become zero
    leave the fiber.

    Equal in every bit to ``spikeloom.models.golden.spike_loader.load_rows``.

    Latency: that of `RowWalker`, `SpikeFetch` and `FiberJoiner` together.
    Throughput: a segment per ``mask_words`` cycles, a beat per cycle, or a value where a source is
    silent at times.
    Back-pressure: any stream may wait; nothing is lost.
    Reset: synchronous; forgets the layer and clears ``error``.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        What is loaded; stays until ``busy`` falls.
    start : In(1)
        Begin; for one cycle, while not ``busy``.
    o_tile : Out(stream.Signature(walked_tile_layout(config)))
        Tiles of all weight blocks, each no later than its rows.
    o_slots : Out(stream.Signature(slots_layout(config)))
        Where the output of a tile goes, if it closes and the layer gives out a map.
    o_row : Out(stream.Signature(array_row_layout(config)))
        Spike fibers, one for each row of each tile.
    masks : Out(ReadClient(config))
        Memory that bitmasks come from.
    values : Out(ReadClient(config))
        Memory that values come from.
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
    o_row: stream.Interface
    masks: Any
    values: Any
    busy: Signal
    error: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "start": In(1),
            "o_tile": Out(stream.Signature(walked_tile_layout(config))),
            "o_slots": Out(stream.Signature(slots_layout(config))),
            "o_row": Out(stream.Signature(array_row_layout(config))),
            "masks": Out(ReadClient(config)),
            "values": Out(ReadClient(config)),
            "busy": Out(1),
            "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.walker = walker = RowWalker(self.config)
        m.submodules.fetch = fetch = SpikeFetch(self.config)
        m.submodules.joiner = joiner = FiberJoiner(self.config)
        m.d.comb += [
            walker.layer.eq(self.layer), walker.start.eq(self.start),
            self.busy.eq(walker.busy | fetch.busy | joiner.busy), self.error.eq(walker.error),
        ]
        connect(m, walker.o_tile, flipped(self.o_tile))
        connect(m, walker.o_slots, flipped(self.o_slots))
        connect(m, walker.o, fetch.i)
        connect(m, fetch.masks, flipped(self.masks))
        connect(m, fetch.values, flipped(self.values))
        if self.config.has_time_masks:
            m.submodules.sifter = sifter = SpikeSifter(self.config)
            m.d.comb += sifter.layer.eq(self.layer)
            connect(m, fetch.o, sifter.i)
            connect(m, sifter.o, joiner.i)
        else:
            connect(m, fetch.o, joiner.i)
        connect(m, joiner.o, flipped(self.o_row))
        return m
