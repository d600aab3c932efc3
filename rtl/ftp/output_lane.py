# SPDX-License-Identifier: Apache-2.0
"""Output lane: results of some rows in, psums and compressed spikes out."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import FTPConfig
from .array_layouts import array_psums_layout, array_result_layout
from .compressor import Compressor, fiber_layout
from .layouts import channel_layout
from .plif import ParallelLIF
from .transpose_buffer import TransposeBuffer

__all__ = ["OutputLane"]


class OutputLane(wiring.Component):
    """Send the psums of ``P`` rows as they are, and through P-LIF and compressor.

    Same result as ``spikeloom.models.golden.plif.plif`` followed by ``compress``.

    Latency: 0 cycles to ``o_psums``; a block of up to ``C`` columns leaves on ``o`` when it is
    complete, row after row, ``V`` columns per cycle.
    Throughput: 1 output neuron (all timesteps) per cycle.
    Back-pressure: either output may wait, then ``i`` stops; nothing is lost.
    Reset: synchronous; drops all neurons.

    Parameters
    ----------
    config : FTPConfig
    tile_shape : data.StructLayout
        Description of a tile; of its fields ``emit_psums``, ``emit_spikes``, ``lif`` and
        ``drop_single`` are what the lane needs, see `tile_layout`.

    Members
    -------
    i : In(stream.Signature(array_result_layout(config, tile_shape)))
        Psums in order of column, then row.
    i_channel : In(stream.Signature(channel_layout(config)))
        Bias and threshold, one for each column of each tile that emits spikes.
    o_psums : Out(stream.Signature(array_psums_layout(config)))
        Psums of tiles that emit them.
    o : Out(stream.Signature(fiber_layout(config)))
        Spike fibers of tiles that emit them, interleaved chunk by chunk.
    busy : Out(1)
        High while a neuron or spike is held.
    """

    i: stream.Interface
    i_channel: stream.Interface
    o_psums: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: FTPConfig, tile_shape: data.StructLayout):
        self.config = config
        self.tile_shape = tile_shape
        super().__init__({
            "i": In(stream.Signature(array_result_layout(config, tile_shape))),
            "i_channel": In(stream.Signature(channel_layout(config))),
            "o_psums": Out(stream.Signature(array_psums_layout(config))),
            "o": Out(stream.Signature(fiber_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.plif = plif = ParallelLIF(self.config)
        m.submodules.transpose = transpose = TransposeBuffer(self.config)
        m.submodules.compressor = compressor = Compressor(self.config)
        connect(m, plif.o, transpose.i)
        connect(m, transpose.o, compressor.i)
        connect(m, compressor.o, flipped(self.o))

        results, tile = self.i, self.i.p.tile
        psums_free, plif_free = Signal(), Signal()
        m.d.comb += [
            psums_free.eq(self.o_psums.ready | ~tile.emit_psums),
            plif_free.eq((plif.i.ready & self.i_channel.valid) | ~tile.emit_spikes),
            results.ready.eq(psums_free & plif_free),
            self.i_channel.ready.eq(results.valid & results.p.column_end & plif.i.ready
                                    & psums_free & tile.emit_spikes),
            self.o_psums.valid.eq(results.valid & tile.emit_psums & plif_free),
            self.o_psums.p.psums.eq(results.p.psums),
            self.o_psums.p.row.eq(results.p.row),
            self.o_psums.p.last.eq(results.p.last),
            plif.i.valid.eq(results.valid & tile.emit_spikes & self.i_channel.valid & psums_free),
            plif.i.p.psums.eq(results.p.psums),
            plif.i.p.channel.eq(self.i_channel.payload),
            plif.i.p.lif.eq(tile.lif),
            plif.i.p.place.row.eq(results.p.row),
            plif.i.p.place.column_end.eq(results.p.column_end),
            plif.i.p.place.last.eq(results.p.last),
            plif.i.p.place.drop_single.eq(tile.drop_single),
            self.busy.eq(plif.busy | transpose.busy | compressor.busy),
        ]
        return m
