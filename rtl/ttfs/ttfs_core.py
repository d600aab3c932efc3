# SPDX-License-Identifier: Apache-2.0
"""Time-to-first-spike core: networks whose neurons fire once, from the pixels to the class."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect

from ..config import TTFSConfig
from ..ftp.layouts import index_range
from .descriptors import is_synapse
from .edge_issuer import EdgeIssuer
from .event_queue import EventQueue
from .first_layer import FirstLayer
from .frame_reader import FrameReader, TTFSError, weight_word_layout
from .image_memory import ImageMemory
from .neuron_array import NeuronArray
from .result_writer import ResultWriter, result_layout
from .spike_serializer import SpikeSerializer
from .step_sequencer import StepSequencer
from .target_walker import TargetWalker
from .time_memory import TimeMemory

__all__ = ["TTFSCore"]


class TTFSCore(wiring.Component):
    """Run a network of time-to-first-spike neurons, event by event.

    All layers advance on one global time: in step ``t`` the spikes of time ``t``, of all layers,
    are added to the neurons that they reach; then the neurons that move are updated, and those
    that cross their threshold spike at ``t + 1``. So the first spike of a class is the decision,
    and all that would come later need not be computed.

    Same result as ``spikeloom.models.golden.ttfs_network.TTFSNetwork``: class and decision time,
    and, without early exit, the time of every spike.

    Frames come and go as words of 32 bits; see `frame_reader` and `result_writer` for what they
    hold. A frame that is illegal stops the core: ``error`` says why, and a frame with it leaves.

    A step in which nothing spikes and no neuron rises takes 1 cycle. One without spikes takes 3
    cycles and 1 for each group of neurons in which one rises; all others sleep. Each spike adds 1
    cycle for each group of neurons that it reaches, 2 at least.

    Latency: depends on image and network. Throughput: 1 image at a time.
    Back-pressure: input waits while an image is at work, a result until it is taken.
    Reset: synchronous; needs the network again, and clears an error.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    s_axis_tdata : In(32)
        Frames in: a word.
    s_axis_tvalid : In(1)
        High while a word is offered.
    s_axis_tready : Out(1)
        High when it is taken at the next clock edge.
    s_axis_tlast : In(1)
        The word ends its frame.
    m_axis_tdata : Out(32)
        Results: a word.
    m_axis_tvalid : Out(1)
        High while a word is offered.
    m_axis_tready : In(1)
        High when it is taken at the next clock edge.
    m_axis_tlast : Out(1)
        The word ends its frame.
    busy : Out(1)
        High while an image is at work.
    error : Out(TTFSError)
        Why the core has stopped.
    """

    s_axis_tdata: Signal
    s_axis_tvalid: Signal
    s_axis_tready: Signal
    s_axis_tlast: Signal
    m_axis_tdata: Signal
    m_axis_tvalid: Signal
    m_axis_tready: Signal
    m_axis_tlast: Signal
    busy: Signal
    error: Signal

    def __init__(self, config: TTFSConfig):
        self.config = config
        super().__init__({
            "s_axis_tdata": In(32), "s_axis_tvalid": In(1), "s_axis_tready": Out(1),
            "s_axis_tlast": In(1),
            "m_axis_tdata": Out(32), "m_axis_tvalid": Out(1), "m_axis_tready": In(1),
            "m_axis_tlast": Out(1),
            "busy": Out(1), "error": Out(TTFSError),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.reader = reader = FrameReader(config)
        m.submodules.image = image = ImageMemory(config)
        m.submodules.first = first = FirstLayer(config)
        m.submodules.sequencer = sequencer = StepSequencer(config)
        m.submodules.queue = queue = EventQueue(config)
        m.submodules.issuer = issuer = EdgeIssuer(config)
        m.submodules.walker = walker = TargetWalker(config)
        m.submodules.neurons = neurons = NeuronArray(config)
        m.submodules.time_memory = times = TimeMemory(config)
        m.submodules.serializer = serializer = SpikeSerializer(config)
        m.submodules.writer = writer = ResultWriter(config)
        connect(m, queue.o, issuer.i)
        connect(m, issuer.o, walker.i)
        for out, into in ((reader.o_edge, issuer.i_edge), (reader.o_channel, issuer.i_channel),
                          (reader.o_bias, first.i_bias), (reader.o_map, issuer.i_map)):
            connect(m, out, into)
        self._ports(m, reader, writer)
        self._first(m, reader, image, first, times, serializer, neurons)
        self._weights(m, reader, first, walker, neurons)
        self._time(m, sequencer, queue, issuer, walker, neurons, times, serializer, first)
        network = reader.network
        m.d.comb += [
            neurons.i_map.valid.eq(reader.o_map.valid),
            neurons.i_map.payload.eq(reader.o_map.payload),
            neurons.tau_shift.eq(network.tau_shift),
            sequencer.begin.eq(reader.begin), sequencer.run.eq(reader.run),
            sequencer.early_exit.eq(reader.early_exit),
            sequencer.groups.eq(Mux(network.neuron_groups > network.time_groups,
                                    network.neuron_groups, network.time_groups)),
            self.busy.eq(sequencer.counting), self.error.eq(reader.error),
        ]
        self._clear(m, sequencer, queue, neurons, times, writer)
        self._result(m, reader, sequencer, issuer, neurons, walker, first, writer)
        return m

    def _ports(self, m: Module, reader: FrameReader, writer: ResultWriter) -> None:
        """Connect the streams outside."""
        m.d.comb += [
            reader.i.p.word.eq(self.s_axis_tdata), reader.i.p.last.eq(self.s_axis_tlast),
            reader.i.valid.eq(self.s_axis_tvalid), self.s_axis_tready.eq(reader.i.ready),
            self.m_axis_tdata.eq(writer.o.p.word), self.m_axis_tlast.eq(writer.o.p.last),
            self.m_axis_tvalid.eq(writer.o.valid), writer.o.ready.eq(self.m_axis_tready),
        ]

    def _first(self, m: Module, reader: FrameReader, image: ImageMemory, first: FirstLayer,
               times: TimeMemory, serializer: SpikeSerializer, neurons: NeuronArray) -> None:
        """Connect the pixels to the first layer, and its spikes and those of neurons onwards."""
        m.d.comb += [
            image.network.eq(reader.network), first.network.eq(reader.network),
            image.restart.eq(reader.begin), image.write.eq(reader.write),
            image.pixel.eq(reader.pixel), reader.complete.eq(image.complete),
            image.corner.eq(first.corner), first.window.eq(image.window),
            serializer.i.valid.eq(first.o.valid | neurons.o.valid),
            serializer.i.payload.eq(Mux(first.o.valid, first.o.payload, neurons.o.payload)),
            first.o.ready.eq(serializer.i.ready),
            neurons.o.ready.eq(serializer.i.ready & ~first.o.valid),
            times.i_first.valid.eq(first.o.valid & first.o.ready),
            times.i_first.payload.eq(first.o.payload),
        ]

    def _weights(self, m: Module, reader: FrameReader, first: FirstLayer, walker: TargetWalker,
                 neurons: NeuronArray) -> None:
        """Add the memory of all weights, with one port: it is not loaded while it is read."""
        m.submodules.weights = memory = Memory(
            shape=weight_word_layout(self.config), depth=self.config.weight_words, init=[])
        write, read = memory.write_port(), memory.read_port()
        address = Signal.like(read.addr)
        m.d.comb += [
            address.eq(Mux(write.en, reader.o_weights.p.address,
                           Mux(first.busy, first.address, walker.o.p.weights))),
            write.addr.eq(address), read.addr.eq(address),
            write.data.eq(reader.o_weights.p.entry), write.en.eq(reader.o_weights.valid),
            read.en.eq(neurons.i.ready & ~write.en),
            first.weights.eq(read.data), neurons.weights.eq(read.data),
        ]

    def _time(self, m: Module, sequencer: StepSequencer, queue: EventQueue, issuer: EdgeIssuer,
              walker: TargetWalker, neurons: NeuronArray, times: TimeMemory,
              serializer: SpikeSerializer, first: FirstLayer) -> None:
        """Connect the global time, and the ways of events in it."""
        synapse = is_synapse(self.config, walker.o.p.kind)
        m.d.comb += [
            *(unit.time.eq(sequencer.time) for unit in (queue, issuer, neurons, times)),
            queue.take.eq(sequencer.take), sequencer.pending.eq(queue.pending),
            sequencer.coming.eq(queue.any),
            sequencer.events_busy.eq(queue.busy | issuer.busy | walker.busy
                                     | serializer.o.valid),
            neurons.update.eq(sequencer.update), sequencer.awake.eq(neurons.awake),
            sequencer.neurons_busy.eq(neurons.busy),
            first.start.eq(sequencer.first), sequencer.first_busy.eq(first.busy),
            walker.o.ready.eq(neurons.i.ready),
            neurons.i.valid.eq(walker.o.valid & synapse), neurons.i.payload.eq(walker.o.payload),
            times.i.valid.eq(walker.o.valid & walker.o.ready & ~synapse),
            times.i.payload.eq(walker.o.payload),
            queue.i.valid.eq(times.o.valid | serializer.o.valid),
            queue.i.payload.eq(Mux(times.o.valid, times.o.payload, serializer.o.payload)),
        ]

    def _clear(self, m: Module, sequencer: StepSequencer, queue: EventQueue,
               neurons: NeuronArray, times: TimeMemory, writer: ResultWriter) -> None:
        """Connect what empties memories before an image and reads them after it."""
        m.d.comb += [
            queue.clear.eq(sequencer.forget), neurons.forget.eq(sequencer.forget),
            neurons.clear.eq(sequencer.clear & (sequencer.address < writer.neuron_groups)),
            times.clear.eq(sequencer.clear & (sequencer.address < writer.time_groups)),
            neurons.address.eq(Mux(sequencer.clear, sequencer.address, writer.neuron_address)),
            times.address.eq(Mux(sequencer.clear, sequencer.address, writer.time_address)),
            writer.neuron_times.eq(neurons.times), writer.times.eq(times.times),
        ]

    def _result(self, m: Module, reader: FrameReader, sequencer: StepSequencer,
                issuer: EdgeIssuer, neurons: NeuronArray, walker: TargetWalker,
                first: FirstLayer, writer: ResultWriter) -> None:
        """Decide, count, and send the result."""
        config = self.config
        result = Signal(result_layout(config))
        decided, told = Signal(), Signal()
        lowest = Signal(index_range(config.lanes))
        mask = neurons.o.p.mask
        for lane in reversed(range(config.lanes)):
            with m.If(mask[lane]):
                m.d.comb += lowest.eq(lane)
        chosen = Signal.like(result.predicted)
        failed = reader.error != TTFSError.NONE
        m.d.comb += [
            chosen.eq(neurons.first_class + lowest),
            sequencer.decided.eq(decided),
            writer.neuron_groups.eq(reader.network.neuron_groups),
            writer.time_groups.eq(reader.network.time_groups),
            writer.start.eq(sequencer.finish | (failed & ~told)),
            writer.result.eq(result), reader.done.eq(writer.done),
            writer.result.error.eq(reader.error), writer.result.undecided.eq(~decided),
            writer.result.dump.eq(reader.dump), writer.result.early_exit.eq(reader.early_exit),
        ]
        m.d.sync += told.eq(failed)
        with m.If(neurons.o.valid & neurons.o.ready & neurons.output):
            time = neurons.o.p.times[0]
            with m.If(~decided | ((result.decision == time) & (chosen < result.predicted))):
                m.d.sync += [decided.eq(1), result.decision.eq(time),
                             result.predicted.eq(chosen)]
        counted = {"cycles": sequencer.counting, "first_cycles": first.busy,
                   "steps": sequencer.step, "updates": neurons.updated,
                   "events": neurons.i.valid & neurons.i.ready,
                   "spikes": issuer.i.valid & issuer.i.ready}
        for name, event in counted.items():
            count = Signal(config.counter_bits, name=name)
            m.d.comb += writer.result[name].eq(count)
            with m.If(event):
                m.d.sync += count.eq(count + 1)
            with m.If(reader.begin):
                m.d.sync += count.eq(0)
        with m.If(reader.begin):
            m.d.sync += [decided.eq(0), result.eq(0), result.decision.eq(config.silent)]
