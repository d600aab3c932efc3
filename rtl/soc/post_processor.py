# SPDX-License-Identifier: Apache-2.0
"""Post-processor: from the psums of the array to what a layer gives out."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import AcceleratorConfig
from ..ftp.compressor import Compressor, compressor_input_layout, fiber_layout
from ..ftp.layouts import place_layout
from ..ftp.plif import ParallelLIF, word_layout
from ..ftp.serial_lif import SerialLIF
from ..ftp.transpose_buffer import TransposeBuffer
from .channel_loader import channel_record_layout
from .descriptor import Mode, Operation, descriptor_layout
from .integer_splitter import IntegerSplitter
from .lane_combiner import LaneCombiner
from .neuron_stream import neuron_config, neuron_layout, walked_result_layout
from .or_pool import ORPool
from .readout import Readout, result_layout
from .requantizer import Requantizer
from .residual_adder import ResidualAdder
from .residual_format import residuals_layout

__all__ = ["PostProcessor"]


class PostProcessor(wiring.Component):
    """Run what follows the matrix product of a layer, step by step as its descriptor says.

    Bit planes are combined, bias, scale and residual applied; then neurons fire, are pooled and
    compressed (``SPIKES``), integers are split into lane words and compressed (``INTEGERS``), or
    logits are read out (``READOUT``). In an ``ENCODE`` step slices come on ``i_encoded`` and are
    compressed. A layer may follow when the one before has left, all of it.

    Equal in every bit to ``spikeloom.models.golden.post_processor.post_process``.

    Latency: T + 12 cycles (T + 9 without ``config.requantize``) from the last neuron of a tile of
    one row and one column to its fiber, 2 less where tiles have one row and beats one value; for
    readout 7 (4).
    Throughput: 1 neuron (all timesteps) or 1 encoded slice per cycle; 1 lane word per cycle for
    ``INTEGERS``; 1 logit per cycle and 1 cycle for the index.
    Back-pressure: any output may wait, any input may pause; nothing is lost.
    Reset: synchronous; forgets everything.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        The step at work, static while it is.
    i : In(stream.Signature(walked_result_layout(config)))
        Psums of each tile in order of column, then row.
    i_channel : In(stream.Signature(channel_record_layout(config)))
        A record for each column of each tile, taken with its last neuron.
    i_residual : In(stream.Signature(residuals_layout(config)))
        With ``flags.residual_in``, what to add to each neuron.
    i_encoded : In(stream.Signature(compressor_input_layout(config)))
        Slices of lane words of an ``ENCODE`` step.
    o : Out(stream.Signature(fiber_layout(config)))
        Fibers of the windows of each tile, interleaved chunk by chunk.
    o_residual : Out(stream.Signature(residuals_layout(config)))
        With ``flags.residual_out``, the values of each neuron.
    o_result : Out(stream.Signature(result_layout()))
        Words of a result record.
    busy : Out(1)
        High while anything is held; windows that wait for further tiles do not count.
    unsupported : Out(1)
        The layer asks for what ``config.requantize`` or ``config.each_step`` leave out.
    """

    layer: data.View
    i: stream.Interface
    i_channel: stream.Interface
    i_residual: stream.Interface
    i_encoded: stream.Interface
    o: stream.Interface
    o_residual: stream.Interface
    o_result: stream.Interface
    busy: Signal
    unsupported: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "i": In(stream.Signature(walked_result_layout(config))),
            "i_channel": In(stream.Signature(channel_record_layout(config))),
            "i_residual": In(stream.Signature(residuals_layout(config))),
            "i_encoded": In(stream.Signature(compressor_input_layout(config))),
            "o": Out(stream.Signature(fiber_layout(config))),
            "o_residual": Out(stream.Signature(residuals_layout(config))),
            "o_result": Out(stream.Signature(result_layout())),
            "busy": Out(1),
            "unsupported": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.requantizer = requantizer = Requantizer(self.config)
        m.d.comb += requantizer.layer.eq(self.layer)
        combining = self._combine(m, requantizer.i)
        connect(m, flipped(self.i_channel), requantizer.i_channel)
        neurons, adding = self._add_residuals(m, requantizer.o)
        takers, words, holding = self._add_modes(m)
        self._route(m, neurons, takers)
        compressing = self._compress(m, words)
        m.d.comb += self.busy.eq(combining | requantizer.busy | adding | holding | compressing)
        return m

    def _combine(self, m: Module, combined: stream.Interface):
        """Give out psums, those of bit planes added up; return whether one is held."""
        if self.config.bounds.integers:
            m.submodules.combiner = combiner = LaneCombiner(self.config)
            m.d.comb += combiner.layer.eq(self.layer)
            connect(m, flipped(self.i), combiner.i)
            connect(m, combiner.o, combined)
            return combiner.busy
        place, result = combined.p.place, self.i.p
        m.d.comb += [
            combined.valid.eq(self.i.valid), self.i.ready.eq(combined.ready),
            combined.p.values.eq(result.psums),
            *(place[name].eq(result[name]) for name in ("row", "column_end", "last")),
            *(place[name].eq(result.tile[name]) for name in ("opens", "closes")),
        ]
        return 0

    def _add_residuals(self, m: Module, neurons: stream.Interface):
        """Return the neurons with their residuals, and whether one is held."""
        flags = self.layer.flags
        missing = []
        if not self.config.each_step:
            missing += [self.layer.input_each_step, self.layer.out_each_step]
        if not self.config.requantize:
            missing += [flags.requantize, flags.residual_in, flags.residual_out,
                        self.layer.mode == Mode.INTEGERS]
        m.d.comb += self.unsupported.eq((self.layer.operation == Operation.LAYER)
                                        & Cat(*missing).any())
        if not self.config.requantize:
            return neurons, 0
        m.submodules.adder = adder = ResidualAdder(self.config)
        m.d.comb += adder.layer.eq(self.layer)
        connect(m, neurons, adder.i)
        connect(m, flipped(self.i_residual), adder.i_residual)
        connect(m, adder.o_residual, flipped(self.o_residual))
        return adder.o, adder.busy

    def _add_modes(self, m: Module):
        """Return by mode who takes the neurons and who gives lane words; and if any is held."""
        m.submodules.readout = readout = Readout(self.config)
        m.d.comb += readout.layer.eq(self.layer)
        connect(m, readout.o, flipped(self.o_result))
        fired, words, firing = self._add_neurons(m)
        takers = {Mode.SPIKES: fired, Mode.READOUT: readout.i}
        if not self.config.requantize:
            return takers, {Mode.SPIKES: words}, readout.busy | firing
        m.submodules.splitter = splitter = IntegerSplitter(self.config)
        m.d.comb += splitter.layer.eq(self.layer)
        takers[Mode.INTEGERS] = splitter.i
        return (takers, {Mode.SPIKES: words, Mode.INTEGERS: splitter.o},
                readout.busy | firing | splitter.busy)

    def _add_neurons(self, m: Module):
        """Return where neurons go that fire, their pooled words, and whether any is held."""
        config = neuron_config(self.config)
        kind = SerialLIF if self.config.is_serial else ParallelLIF
        m.submodules.plif = plif = kind(config, data.StructLayout({
            "place": place_layout(config), "opens": 1, "closes": 1}))
        neurons = stream.Signature(neuron_layout(self.config)).create(path=("firing",))
        neuron, window = neurons.p, plif.i.p.place
        place = window.place
        psums = plif.i.p.psum if self.config.is_serial else plif.i.p.psums
        m.d.comb += [
            plif.i.valid.eq(neurons.valid), neurons.ready.eq(plif.i.ready),
            psums.eq(neuron.values[0] if self.config.is_serial else neuron.values),
            plif.i.p.channel.threshold.eq(neuron.threshold),
            plif.i.p.lif.eq(self.layer.lif),
            place.row.eq(neuron.place.row), place.column_end.eq(neuron.place.column_end),
            place.last.eq(neuron.place.last),
            place.drop_single.eq(self.layer.flags.drop_single),
            *(window[name].eq(neuron.place[name]) for name in ("opens", "closes")),
        ]
        words, pooling = self._pool(m, plif.o)
        return neurons, words, plif.busy | pooling

    def _pool(self, m: Module, fired: stream.Interface):
        """Return the lane words of windows, and whether one is held."""
        if self.config.bounds.pool == 1:
            words = stream.Signature(word_layout(neuron_config(self.config))).create(
                path=("words",))
            m.d.comb += [
                words.valid.eq(fired.valid), fired.ready.eq(words.ready),
                words.p.word.eq(fired.p.word), words.p.place.eq(fired.p.place.place),
            ]
            return words, 0
        m.submodules.pool = pool = ORPool(self.config)
        m.d.comb += [
            pool.layer.eq(self.layer),
            pool.i.valid.eq(fired.valid), fired.ready.eq(pool.i.ready),
            pool.i.p.word.eq(fired.p.word), pool.i.p.place.eq(fired.p.place.place),
            *(pool.i.p[name].eq(fired.p.place[name]) for name in ("opens", "closes")),
        ]
        return pool.o, pool.busy

    def _route(self, m: Module, neurons: stream.Interface, takers: dict) -> None:
        """Hand the neurons to the one who takes them in this mode."""
        for mode, taker in takers.items():
            m.d.comb += taker.payload.eq(neurons.payload)
            with m.If(self.layer.mode == mode):
                m.d.comb += [taker.valid.eq(neurons.valid), neurons.ready.eq(taker.ready)]

    def _compress(self, m: Module, words: dict):
        """Compress lane words of a layer, or those of the encoder; return if one is held."""
        m.submodules.transpose = transpose = TransposeBuffer(self.config)
        m.submodules.compressor = compressor = Compressor(self.config)
        connect(m, compressor.o, flipped(self.o))
        for mode, source in words.items():
            with m.If(self.layer.mode == mode):
                m.d.comb += [
                    transpose.i.payload.eq(source.payload), transpose.i.valid.eq(source.valid),
                    source.ready.eq(transpose.i.ready),
                ]
        with m.If(self.layer.operation == Operation.ENCODE):
            m.d.comb += [
                compressor.i.payload.eq(self.i_encoded.payload),
                compressor.i.valid.eq(self.i_encoded.valid),
                self.i_encoded.ready.eq(compressor.i.ready),
            ]
        with m.Else():
            m.d.comb += [
                compressor.i.payload.eq(transpose.o.payload),
                compressor.i.valid.eq(transpose.o.valid),
                transpose.o.ready.eq(compressor.i.ready),
            ]
        return transpose.busy | compressor.busy
