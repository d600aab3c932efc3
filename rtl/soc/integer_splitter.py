# SPDX-License-Identifier: Apache-2.0
"""Integer splitter: integers of few bits to lane words of bit planes."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from ..ftp.plif import word_layout
from .descriptor import descriptor_layout
from .neuron_stream import neuron_config, neuron_layout

__all__ = ["IntegerSplitter"]


class IntegerSplitter(wiring.Component):
    """Clamp the value of the first timestep to ``out_bits``, give it out as ``out_passes`` words.

    Word p has bits ``p*T`` to ``p*T + T - 1`` of the sign-extended integer and belongs to row
    ``row*out_passes + p``. With ``out_each_step``, which is there with ``config.each_step`` only,
    word p has bit p of the integers of each timestep, each clamped.

    Same result as ``spikeloom.models.golden.bit_planes``.

    Latency: 1 cycle. Throughput: 1 word per cycle.
    Back-pressure: a word that waits on ``o`` stops ``i`` in the same cycle.
    Reset: synchronous; drops what is held.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        The layer at work, static while it is.
    i : In(stream.Signature(neuron_layout(config)))
        Neurons.
    o : Out(stream.Signature(word_layout(config)))
        Lane words, none of them to be dropped.
    busy : Out(1)
        High while a word waits.
    """

    layer: data.View
    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "i": In(stream.Signature(neuron_layout(config))),
            "o": Out(stream.Signature(word_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        timesteps = self.config.timesteps
        each_step = self.layer.out_each_step if self.config.each_step else Const(0)
        integers = [Signal(signed(neuron_config(self.config).value_bits), name=f"integer_{t}")
                    for t in range(timesteps if self.config.each_step else 1)]
        lane_pass = Signal(index_range(self.config.tile_rows))
        last_pass, column_end, last, done = Signal(), Signal(), Signal(), Signal()
        row = Signal.like(self.o.p.place.row)
        m.d.comb += [
            last_pass.eq(lane_pass == self.layer.out_passes - 1),
            done.eq(self.o.ready & last_pass),
            self.i.ready.eq(~self.o.valid | done),
            self.o.p.word.eq(Mux(each_step, Cat(integer[0] for integer in integers),
                                 integers[0][:timesteps])),
            self.o.p.place.row.eq(row),
            self.o.p.place.column_end.eq(column_end & last_pass),
            self.o.p.place.last.eq(last),
            self.busy.eq(self.o.valid),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [
                *(integer.eq(Mux(each_step, integer >> 1, integer >> timesteps))
                  for integer in integers),
                lane_pass.eq(Mux(last_pass, 0, lane_pass + 1)),
                row.eq(Mux(column_end & last_pass, 0, row + 1)),
            ]
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [
                *(integer.eq(self._clamped(m, value))
                  for integer, value in zip(integers, self.i.p.values, strict=False)),
                column_end.eq(self.i.p.place.column_end), last.eq(self.i.p.place.last),
            ]
        return m

    def _clamped(self, m: Module, value):
        """Return the value within the limits of the layer."""
        high, low = Signal.like(value, name="high"), Signal.like(value, name="low")
        bits = self.layer.out_bits
        ones = [bits > place + self.layer.flags.out_signed for place in range(len(value) - 1)]
        m.d.comb += [
            high.eq(Cat(*ones, 0)),
            low.eq(Mux(self.layer.flags.out_signed, ~high, 0)),
        ]
        return Mux(value > high, high, Mux(value < low, low, value))
