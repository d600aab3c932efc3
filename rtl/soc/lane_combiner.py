# SPDX-License-Identifier: Apache-2.0
"""Lane combiner: psums of bit planes to the psum of an integer."""

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from ..ftp.layouts import index_range
from .descriptor import descriptor_layout
from .neuron_stream import combined_layout, neuron_place_layout, walked_result_layout

__all__ = ["LaneCombiner"]


class LaneCombiner(wiring.Component):
    """Add up bit planes: each lane of each lane pass has twice the weight of the one before.

    With ``flags.combine``, over the ``passes`` consecutive rows p of an output position::

        x = sum over p and t of psum[p][t] << (p*T + t)

    The topmost term is subtracted with ``flags.signed_input``. The result takes the place of all
    ``T`` psums, modulo ``2**psum_bits``, and its row is that of the output position. Without
    ``flags.combine`` psums pass as they are. With ``input_each_step``, too, a lane pass is one
    bit of the integers of each timestep, and each timestep has a result of its own::

        x[t] = sum over p of psum[p][t] << p

    That is there with ``config.each_step`` only.

    Same result as ``spikeloom.models.golden.combine_lanes``.

    Latency: 2 cycles. Throughput: 1 row of a column per cycle.
    Back-pressure: with two results held ``i`` stops.
    Reset: synchronous; drops what is held.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    layer : In(descriptor_layout())
        The layer at work, static while it is.
    i : In(stream.Signature(walked_result_layout(config)))
        Psums of each row and column.
    o : Out(stream.Signature(combined_layout(config)))
        Psums of each output position and column.
    busy : Out(1)
        High while a psum is held.
    """

    layer: data.View
    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        super().__init__({
            "layer": In(descriptor_layout()),
            "i": In(stream.Signature(walked_result_layout(config))),
            "o": Out(stream.Signature(combined_layout(config))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        combine = self.layer.flags.combine
        held = Signal(combined_layout(self.config))
        lane_pass = Signal(index_range(self.config.tile_rows))   # of what is held
        valid, final, free = Signal(), Signal(), Signal()
        total = Signal(signed(self.config.psum_bits))
        collected = Signal.like(total)
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            total.eq(collected + self._shifted(m, held.values[0], lane_pass,
                                               self.config.timesteps)),
        ]
        results = [Mux(combine, total, value) for value in held.values]
        if self.config.each_step:
            results = self._each_step(m, held, lane_pass, free & valid, final, results)
        self._take(m, held, valid, final, lane_pass, free)
        with m.If(free):
            m.d.sync += self.o.valid.eq(valid & final)
        with m.If(free & valid):
            m.d.sync += [
                collected.eq(Mux(final | ~combine, 0, total)),
                self.o.p.place.eq(held.place),
            ]
            for value, result in zip(self.o.p.values, results, strict=True):
                m.d.sync += value.eq(result)
        return m

    def _each_step(self, m: Module, held, lane_pass, take, final, others) -> list[Value]:
        """Add a sum for each timestep; return the results, which may be those of others."""
        chosen = self.layer.flags.combine & self.layer.input_each_step
        results = []
        for value, other in zip(held.values, others, strict=True):
            collected, total = Signal.like(value), Signal.like(value)
            m.d.comb += total.eq(collected + self._shifted(m, value, lane_pass, 1))
            with m.If(take):
                m.d.sync += collected.eq(Mux(final, 0, total))
            results.append(Mux(chosen, total, other))
        return results

    def _take(self, m: Module, held, valid, final, lane_pass, free) -> None:
        """Add the first stage: the lanes of one pass, added up, and the place of the result."""
        combine, timesteps = self.layer.flags.combine, self.config.timesteps
        index = Signal.like(lane_pass)
        row = Signal.like(lane_pass)  # of the result
        last_pass, lanes = Signal(), Signal(signed(self.config.psum_bits))
        take = self.i.valid & self.i.ready
        place = Signal(neuron_place_layout(self.config))
        m.d.comb += [
            self.busy.eq(valid | self.o.valid | (index != 0)),
            last_pass.eq(~combine | (index == self.layer.passes - 1)),
            self.i.ready.eq(~valid | free),
            place.row.eq(row), place.column_end.eq(self.i.p.column_end),
            place.last.eq(self.i.p.last), place.opens.eq(self.i.p.tile.opens),
            place.closes.eq(self.i.p.tile.closes),
        ]
        terms = [self.i.p.psums[t] << t for t in range(timesteps)]
        negative = self.layer.flags.signed_input & last_pass
        terms[-1] = Mux(negative, -terms[-1], terms[-1])
        m.d.comb += lanes.eq(sum(terms[1:], terms[0]))
        with m.If(self.i.ready):
            m.d.sync += valid.eq(self.i.valid)
        with m.If(take):
            m.d.sync += [
                held.values.eq(self.i.p.psums), held.place.eq(place), final.eq(last_pass),
                lane_pass.eq(index), index.eq(Mux(last_pass, 0, index + 1)),
            ]
            with m.If(combine):
                m.d.sync += held.values[0].eq(lanes)
            if self.config.each_step:
                with m.If(combine & self.layer.input_each_step):
                    for value, psum in zip(held.values, self.i.p.psums, strict=True):
                        m.d.sync += value.eq(Mux(negative, -psum, psum))
            with m.If(last_pass):
                m.d.sync += row.eq(Mux(self.i.p.column_end, 0, row + 1))

    def _shifted(self, m: Module, lanes, lane_pass, places: int) -> Value:
        """Return the lanes of a pass, at the weight of the pass: so many places each."""
        bits = self.config.psum_bits
        for step in range(len(lane_pass)):
            distance = places << step
            moved = (lanes << distance)[:bits] if distance < bits else 0
            shifted = Signal(bits, name=f"shifted_{step}")
            m.d.comb += shifted.eq(Mux(lane_pass[step], moved, lanes))
            lanes = shifted
        return lanes
