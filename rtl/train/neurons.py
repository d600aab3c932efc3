# SPDX-License-Identifier: Apache-2.0
"""Neurons of a training core: spikes forward, errors of the currents back."""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..config import TrainConfig
from ..ftp.layouts import index_range
from .layouts import Core, address_bits, packet_layout, settings_layout, sums_layout
from .pixel_walker import PixelWalker

__all__ = ["Neurons"]

_GAP = 2  # cycles from the last error of a pixel until it is rescaled and in memory


class Neurons(wiring.Component):
    """Leaky integrate-and-fire neurons with a hard reset, and their surrogate gradient.

    Currents come pixel by pixel, all timesteps of a group in turn; spikes and windows of the
    gradient are kept, and spikes counted for the readout. Errors go back over the same.

    Same result as ``spikeloom.models.golden.tt_training.forward`` and ``backward``.

    Latency: 1 cycle forward, 2 back. Throughput: ``L`` neurons per cycle. Back-pressure: none.
    Reset: synchronous; stops, memories keep what they hold.

    Parameters
    ----------
    config : TrainConfig

    Members
    -------
    settings : In(settings_layout(config))
        Static while the neurons work.
    start : In(1)
        Begin with an image.
    back : In(1)
        What to do: errors, not spikes.
    current : In(packet_layout(config))
        Of the neurons, forward.
    error : In(packet_layout(config))
        Error of the spikes to keep.
    d : Out(sums_layout(config))
        Errors of the currents.
    done : Out(range(max_pixels + 1))
        Pixels whose errors are in memory.
    busy : Out(1)
        Errors are at work.
    read : In(packet_layout(config))
        Spikes to read: place only, while nothing is at work.
    spikes : Out(unsigned(lanes))
        What was read, a cycle later.
    count_read : In(1)
        Read a word of counts.
    count_address : In(index_range(max_windows * output_groups))
        Window times output_groups, and group.
    counts : Out(data.ArrayLayout(unsigned(8), lanes))
        Spikes of a window, a cycle later.
    """

    settings: data.View
    start: Signal
    back: Signal
    current: data.View
    error: data.View
    d: data.View
    done: Signal
    busy: Signal
    read: data.View
    spikes: Signal
    count_read: Signal
    count_address: Signal
    counts: data.View

    def __init__(self, config: TrainConfig):
        self.config = config
        self.groups = config.output_groups
        pixels = range(config.max_pixels + 1)
        super().__init__({
            "settings": In(settings_layout(config)), "start": In(1), "back": In(1),
            "current": In(packet_layout(config)), "error": In(packet_layout(config)),
            "d": Out(sums_layout(config)), "done": Out(pixels), "busy": Out(1),
            "read": In(packet_layout(config)), "spikes": Out(unsigned(config.lanes)),
            "count_read": In(1),
            "count_address": In(index_range(config.max_windows * config.output_groups)),
            "counts": Out(data.ArrayLayout(unsigned(8), config.lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.pixels = pixels = PixelWalker(self.config)
        m.d.comb += pixels.settings.eq(self.settings)
        depth = max(2, self.groups * self.config.max_timesteps * self.config.max_pixels)
        m.submodules.fired = fired = memory.Memory(
            shape=unsigned(2 * self.config.lanes), depth=depth, init=[])
        m.submodules.errors = errors = memory.Memory(
            shape=unsigned(8 * self.config.lanes), depth=depth, init=[])
        spikes = self._fire(m, pixels, fired.write_port())
        self._count(m, pixels, spikes)
        self._go_back(m, pixels, fired.read_port(), errors)
        return m

    def _address(self, group, step, pixel):
        return Cat(group[:address_bits(self.groups)],
                   step[:address_bits(self.config.max_timesteps)], pixel)

    def _fire(self, m: Module, pixels, write) -> Signal:
        """Integrate the currents; return the spikes."""
        now, lanes = self.current, self.config.lanes
        spikes, windows = Signal(lanes), Signal(lanes)
        threshold = self.settings.threshold
        for lane in range(lanes):
            membrane = Signal(signed(16), name=f"membrane_{lane}")
            total = Signal(signed(18), name=f"total_{lane}")
            potential = Signal(signed(17), name=f"potential_{lane}")
            m.d.comb += [
                total.eq(now.values[lane] + Mux(now.step == 0, 0, membrane >> 2)),
                potential.eq(Mux(total > 32767, 32767, Mux(total < -32767, -32767, total))),
                spikes[lane].eq(potential > threshold),
                windows[lane].eq((potential > 0) & (potential < (threshold << 1))),
            ]
            with m.If(now.valid):
                m.d.sync += membrane.eq(Mux(spikes[lane], 0, potential))
        m.d.comb += [
            write.en.eq(now.valid), write.addr.eq(self._address(now.group, now.step, now.pixel)),
            write.data.eq(Cat(spikes, windows)),
        ]
        last = (now.step == self.settings.steps_last) & (
            now.group == self.settings.outputs_last >> self.config.lane_bits)
        with m.If(now.valid & last):
            m.d.comb += pixels.advance.eq(1)
        return spikes

    def _count(self, m: Module, pixels, spikes) -> None:
        """Add the spikes of all timesteps, and then those of a window."""
        now = self.current
        m.submodules.counts = store = memory.Memory(
            shape=unsigned(8 * self.config.lanes),
            depth=max(2, self.config.max_windows * self.groups), init=[])
        read, write = store.read_port(), store.write_port()
        bits = address_bits(self.groups)
        place, adding = Signal.like(read.addr), Signal()
        final, fresh = Signal(), Signal()  # of the timesteps; in the window
        m.d.comb += [
            final.eq(now.valid & (now.step == self.settings.steps_last)),
            place.eq(Cat(now.group[:bits], pixels.window)),
            read.en.eq(final | self.count_read),
            read.addr.eq(Mux(final, place, self.count_address)),
            self.counts.as_value().eq(read.data), write.en.eq(adding),
        ]
        m.d.sync += [adding.eq(final), write.addr.eq(place), fresh.eq(pixels.window_first)]
        for lane in range(self.config.lanes):
            count = Signal(8, name=f"count_{lane}")
            with m.If(now.valid):
                m.d.sync += count.eq(Mux(now.step == 0, 0, count) + spikes[lane])
            m.d.comb += write.data.word_select(lane, 8).eq(
                (count + Mux(fresh, 0, self.counts[lane]))[:8])

    def _go_back(self, m: Module, pixels, fired, errors) -> None:
        """Walk over pixels, groups, and timesteps from the last one."""
        now, error, lanes = self.settings, self.error, self.config.lanes
        group, step = Signal.like(self.d.group), Signal.like(self.d.step)
        issue, pause = Signal(), Signal(range(_GAP + 1))
        write, read = errors.write_port(), errors.read_port()
        m.d.comb += [
            write.en.eq(error.valid),
            write.addr.eq(self._address(error.group, error.step, error.pixel)),
            write.data.eq(Cat(value[:8] for value in error.values)),
            fired.addr.eq(Mux(self.read.valid,
                              self._address(self.read.group, self.read.step, self.read.pixel),
                              self._address(group, step, pixels.pixel))),
            self.spikes.eq(fired.data[:lanes]),
            read.addr.eq(Mux(now.per_window, self._address(group, step & 0, pixels.window),
                             self._address(group, step, pixels.pixel))),
            self.busy.eq(1),
        ]
        with m.FSM():
            with m.State("idle"):
                m.d.comb += self.busy.eq(0)
                m.d.sync += [group.eq(0), step.eq(now.steps_last)]
                with m.If(self.start):
                    m.d.sync += self.done.eq(0)
                    with m.If(self.back):
                        m.next = "walk"
            with m.State("walk"):
                m.d.comb += issue.eq(1)
                m.d.sync += [step.eq(step - 1), pause.eq(_GAP)]
                with m.If(step == 0):
                    m.d.sync += [step.eq(now.steps_last), group.eq(group + 1)]
                    with m.If(group == now.outputs_last >> self.config.lane_bits):
                        m.d.sync += group.eq(0)
                        m.next = "drain"
            with m.State("drain"):
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 0):
                    m.d.comb += pixels.advance.eq(1)
                    m.d.sync += self.done.eq(self.done + 1)
                    m.next = "walk"
                    with m.If(pixels.last):
                        m.next = "idle"
        came, first = Signal(), Signal()
        place = [(self.d.group, group), (self.d.step, step), (self.d.pixel, pixels.pixel)]
        m.d.sync += [came.eq(issue), first.eq(step == now.steps_last), self.d.valid.eq(came),
                     self.d.core.eq(Core.G4), self.d.back.eq(1)]
        for target, value in place:
            held = Signal.like(target, name="held")
            m.d.sync += [held.eq(value), target.eq(held)]
        for lane in range(lanes):
            later, value = self.d.values[lane], Signal(signed(10), name=f"d_{lane}")
            spike, window = fired.data[lane], fired.data[lanes + lane]
            m.d.comb += value.eq(
                Mux(window, read.data.word_select(lane, 8).as_signed(), 0)
                + Mux(spike | first, 0, later >> 2))
            with m.If(came):
                m.d.sync += later.eq(value)
