# SPDX-License-Identifier: Apache-2.0
"""Image memory: the pixels, so that any 2x2 of them is read in one cycle."""

from amaranth import Array, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..config import TTFSConfig
from ..ftp.layouts import index_range
from .descriptors import index_bits, network_layout, side_bits

__all__ = ["ImageMemory", "corner_layout"]


def corner_layout(config: TTFSConfig) -> data.StructLayout:
    """Return the place of a 2x2 window of pixels.

    Members
    -------
    y : unsigned(side_bits(config) + 2)
        Two's complement; row of the upper two.
    x : unsigned(side_bits(config) + 2)
        Two's complement; column of the left two.
    channel : index_range(config.max_channels)
        Of the image.
    """
    side = unsigned(side_bits(config) + 2)
    return data.StructLayout({"y": side, "x": side, "channel": index_range(config.max_channels)})


class ImageMemory(wiring.Component):
    """Hold an image in four banks, by the parity of row and column.

    Latency: 1 cycle to read. Throughput: 1 pixel written, 4 pixels read per cycle.
    Back-pressure: none.
    Reset: synchronous; the pixels stay.

    Parameters
    ----------
    config : TTFSConfig

    Members
    -------
    network : In(network_layout(config))
        Size of the image.
    write : In(1)
        Write ``pixel`` behind the one before, in the order channel, row, column.
    restart : In(1)
        The next pixel is the first.
    pixel : In(unsigned(8))
        Its value.
    complete : Out(1)
        High with the write of the last pixel.
    corner : In(corner_layout(config))
        Window to read.
    window : Out(data.ArrayLayout(unsigned(8), 4))
        Its pixels one cycle later, row by row; 0 outside the image.
    """

    network: data.View
    write: Signal
    restart: Signal
    pixel: Signal
    complete: Signal
    corner: data.View
    window: data.View

    def __init__(self, config: TTFSConfig):
        self.config = config
        super().__init__({
            "network": In(network_layout(config)),
            "write": In(1),
            "restart": In(1),
            "pixel": In(unsigned(8)),
            "complete": Out(1),
            "corner": In(corner_layout(config)),
            "window": Out(data.ArrayLayout(unsigned(8), 4)),
        })

    def elaborate(self, platform):
        m = Module()
        network = self.network
        side = side_bits(self.config)
        y, x = Signal(side), Signal(side)
        channel = Signal(index_range(self.config.max_channels))
        end_y, end_x, odd = Signal(), Signal(), Signal(2)
        m.d.comb += [
            end_y.eq(y == network.last_y), end_x.eq(x == network.last_x),
            self.complete.eq(self.write & end_y & end_x & (channel == network.last_channel)),
        ]
        with m.If(self.write):
            m.d.sync += x.eq(Mux(end_x, 0, x + 1))
            with m.If(end_x):
                m.d.sync += y.eq(Mux(end_y, 0, y + 1))
            with m.If(end_x & end_y):
                m.d.sync += channel.eq(channel + 1)
        with m.If(self.restart):
            m.d.sync += [y.eq(0), x.eq(0), channel.eq(0)]

        m.d.sync += odd.eq(self.corner.x[0] | (self.corner.y[0] << 1))
        read = []  # by bank: its pixel, 0 if it lies outside
        for bank in range(4):
            m.submodules[f"bank_{bank}"] = memory = Memory(
                shape=8, depth=self.config.bank_pixels, init=[])
            writes, reads = memory.write_port(), memory.read_port()
            row, row_inside = self._place(m, bank, "y", bank >> 1, network.last_y)
            column, column_inside = self._place(m, bank, "x", bank & 1, network.last_x)
            inside = Signal(name=f"inside_{bank}")
            m.d.sync += inside.eq(row_inside & column_inside)
            m.d.comb += [
                writes.addr.eq(self._address(channel, y >> 1, x >> 1)),
                writes.data.eq(self.pixel),
                writes.en.eq(self.write & (y[0] == bank >> 1) & (x[0] == bank & 1)),
                reads.addr.eq(self._address(self.corner.channel, row, column)),
            ]
            read.append(Mux(inside, reads.data, 0))
        m.d.comb += [self.window[place].eq(Array(read)[odd ^ place]) for place in range(4)]
        return m

    def _place(self, m: Module, bank: int, axis: str, parity: int,
               last: Value) -> tuple[Value, Value]:
        """Return the bank's place along an axis, and whether that lies inside the image."""
        corner = self.corner[axis]
        place = Signal.like(corner, name=f"{axis}_{bank}")
        m.d.comb += place.eq(corner + (corner[0] ^ parity))
        return place >> 1, ~place[-1] & (place <= last)

    def _address(self, channel: Value, row: Value, column: Value) -> Value:
        address = (((channel << self.network.y_bits) | row) << self.network.x_bits) | column
        return address[:index_bits(self.config.bank_pixels)]
