# SPDX-License-Identifier: Apache-2.0
"""First layer: convolution of the image, ReLU, pooling; the activation is the spike time."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from ..ftp.layouts import index_range
from .descriptors import network_layout
from .edge_issuer import table_write_layout
from .image_memory import corner_layout
from .layouts import spikes_layout

__all__ = ["FirstLayer", "bias_layout"]


def bias_layout(config: TTFSConfig) -> data.ArrayLayout:
    """Return the biases of one group of channels."""
    return data.ArrayLayout(signed(config.accumulator_bits), config.lanes)


class FirstLayer(wiring.Component):
    """Convolve an image: the four positions of a pooling window and ``P`` channels at once.

    ``time = min(max_pool(relu((conv(image) + bias) >> shift)), window)``, as
    ``spikeloom.models.golden.ttfs_ops.first_layer``. The weights of group ``g`` of the channels
    lie behind one another, in the order channel, row, column of the kernel, those of group 0
    first, at address 0 and on.

    Latency: taps + 5 cycles from ``start`` to the first group.
    Throughput: 1 tap of 4 positions and ``P`` channels per cycle, and 1 cycle for each group.
    Back-pressure: a group that waits on ``o`` stops the work.
    Reset: synchronous; drops the image at work. The biases stay.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    i_bias : In(stream.Signature(table_write_layout(bias_layout(config), config.first_groups), \
always_ready=True))
        Loads the biases.
    network : In(network_layout(config))
        Sizes.
    start : In(1)
        Begin; only while not ``busy``.
    corner : Out(corner_layout(config))
        Pixels to read.
    window : In(data.ArrayLayout(unsigned(8), 4))
        Those of the cycle before.
    address : Out(index_range(config.weight_words))
        Weights to read.
    weights : In(data.ArrayLayout(signed(config.weight_bits), config.lanes))
        Those of the cycle before.
    o : Out(stream.Signature(spikes_layout(config)))
        Times of a group, pixel by pixel.
    busy : Out(1)
        High while an image is at work.
    """

    i_bias: stream.Interface
    network: data.View
    start: Signal
    corner: data.View
    window: data.View
    address: Signal
    weights: data.View
    o: stream.Interface
    busy: Signal

    def __init__(self, config: TTFSConfig):
        self.config = config
        super().__init__({
            "i_bias": In(stream.Signature(
                table_write_layout(bias_layout(config), config.first_groups),
                always_ready=True)),
            "network": In(network_layout(config)),
            "start": In(1),
            "corner": Out(corner_layout(config)),
            "window": In(data.ArrayLayout(unsigned(8), 4)),
            "address": Out(index_range(config.weight_words)),
            "weights": In(data.ArrayLayout(signed(config.weight_bits), config.lanes)),
            "o": Out(stream.Signature(spikes_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, network = self.config, self.network
        kernel, side = range(config.max_kernel), range(config.max_side)
        counters = [  # innermost first
            (Signal(kernel, name="kernel_x"), network.kernel_last_x),
            (Signal(kernel, name="kernel_y"), network.kernel_last_y),
            (Signal(index_range(config.max_channels), name="channel"), network.last_channel),
            (Signal(index_range(config.first_groups), name="group"), network.first_last_group),
            (Signal(side, name="x"), network.first_last_x),
            (Signal(side, name="y"), network.first_last_y)]
        kernel_x, kernel_y, channel, group, x, y = (counter for counter, _ in counters)
        walking, advance = Signal(), Signal()
        begins = Signal()  # the sums are to begin with the biases
        stages = Signal(3)  # with an operand that is read, multiplied, summed up
        firsts, lasts = Signal(2), Signal(3)
        groups = [Signal.like(group, name=f"group_{k}") for k in range(3)]
        targets = [Signal(index_range(config.groups), name=f"target_{k}") for k in range(3)]
        ends = [counter == last for counter, last in counters]
        last_tap = Cat(ends[:3]).all()
        m.d.comb += [
            advance.eq(walking & ~begins
                       & ~(last_tap & ((stages & lasts).any() | self.o.valid))),
            self.busy.eq(walking | stages.any() | self.o.valid),
            self.corner.y.eq((y << 1) + kernel_y - network.padding),
            self.corner.x.eq((x << 1) + kernel_x - network.padding),
            self.corner.channel.eq(channel),
        ]
        with m.If(advance):
            carry: Value = Const(1)
            for (counter, _), end in zip(counters, ends, strict=True):
                with m.If(carry):
                    m.d.sync += counter.eq(Mux(end, 0, counter + 1))
                carry = carry & end
            m.d.sync += [walking.eq(~carry), begins.eq(last_tap),
                         self.address.eq(Mux(last_tap & ends[3], 0, self.address + 1))]
        with m.Else():
            m.d.sync += begins.eq(0)
        with m.If(self.start):
            m.d.sync += [walking.eq(1), begins.eq(1), self.address.eq(0)]
        m.d.sync += [
            stages.eq(Cat(advance, stages)), lasts.eq(Cat(last_tap, lasts)),
            firsts.eq(Cat(walking & begins, firsts)),
            groups[0].eq(group),
            targets[0].eq(network.first_base + (
                (((y << network.first_x_bits) | x) << network.first_g_bits) | group)),
            *(later.eq(now) for row in (groups, targets)
              for now, later in zip(row, row[1:], strict=False))]
        sums = self._sums(m, stages[1], firsts[1], groups[0])
        self._give(m, stages[2] & lasts[2], sums, groups[2], targets[2])
        return m

    def _sums(self, m: Module, add: Value, first: Value, group: Value) -> list[list[Signal]]:
        """Multiply and add up; return the sum of each lane at each of the four positions."""
        config = self.config
        m.submodules.biases = biases = Memory(
            shape=bias_layout(config), depth=max(config.first_groups, 2), init=[])
        write, read = biases.write_port(), biases.read_port()
        m.d.comb += [write.addr.eq(self.i_bias.p.address), write.data.eq(self.i_bias.p.entry),
                     write.en.eq(self.i_bias.valid), read.addr.eq(group)]
        sums = []
        for lane in range(config.lanes):
            row = []
            for place in range(4):
                # In this form, with the sign that a pixel is extended by and without a reset,
                # Yosys puts all of it into a DSP block of an iCE40.
                product = Signal(signed(config.weight_bits + 9), name=f"product_{lane}_{place}",
                                 reset_less=True)
                total = Signal(signed(config.accumulator_bits), name=f"sum_{lane}_{place}",
                               reset_less=True)
                pixel = Cat(self.window[place], Const(0, 1)).as_signed()
                m.d.sync += product.eq(pixel * self.weights[lane])
                with m.If(first | add):
                    m.d.sync += total.eq(Mux(first, read.data[lane], total + product))
                row.append(total)
            sums.append(row)
        return sums

    def _give(self, m: Module, complete: Value, sums: list[list[Signal]], group: Value,
              target: Value) -> None:
        """Pool, shift and clamp into the register on ``o``."""
        network = self.network
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(complete):
            m.d.sync += [self.o.valid.eq(1), self.o.p.group.eq(target),
                         self.o.p.map.eq(network.first_map)]
        bits = self.config.time_bits
        late = Signal(self.config.accumulator_bits)  # bits of a sum that no time word holds
        m.d.comb += late.eq(-1 << bits << network.shift)
        for lane, row in enumerate(sums):
            upper, lower, most = (Signal.like(row[0], name=f"{name}_{lane}")
                                  for name in ("upper", "lower", "most"))
            time = Signal(bits, name=f"time_{lane}")
            m.d.comb += [upper.eq(Mux(row[0] > row[1], row[0], row[1])),
                         lower.eq(Mux(row[2] > row[3], row[2], row[3])),
                         most.eq(Mux(upper > lower, upper, lower)),
                         time.eq(most >> network.shift)]
            with m.If(complete):
                m.d.sync += [
                    self.o.p.times[lane].eq(Mux(most < 0, 0, Mux(
                        (most & late).any() | (time > network.window), network.window, time))),
                    self.o.p.mask[lane].eq(group * self.config.lanes + lane
                                           < network.first_channels)]
