# SPDX-License-Identifier: Apache-2.0
"""Lanes of a cluster: multiply or pick what was fetched, add up."""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import TrainConfig
from .job_walker import item_layout
from .layouts import Core, Operation, event_layout, lane_exists, settings_layout

__all__ = ["LaneArray"]


class LaneArray(wiring.Component):
    """Add up weights or errors for spikes, or products of bytes, in ``L`` lanes.

    FORWARD and OUTER each lane has a sum of its own; BACK the products of all lanes make one sum,
    which lands in the lane of the item. Operands that are zero are skipped: nothing toggles.

    Latency: 2 cycles from the last item of a sum. Throughput: 1 item per cycle.
    Back-pressure: none. Reset: synchronous; drops what is at work.

    Parameters
    ----------
    config : TrainConfig
    cores : tuple of Core
        Whose operands come.

    Members
    -------
    settings : In(settings_layout(config))
        Static while items come.
    core : In(unsigned(3))
        `Core`; static while its items are at work.
    operation : In(unsigned(2))
        `Operation`; static while its items are at work.
    valid : In(1)
        There is an item.
    inside : In(1)
        Its tap is at a pixel of the image.
    item : In(item_layout(config))
        Which one.
    spikes : In(unsigned(lanes))
        Group of input spikes.
    activations : In(unsigned(8 * lanes))
        Group of inputs.
    errors : In(unsigned(8 * lanes))
        Group of errors of the outputs.
    copies : In(data.ArrayLayout(signed(8), lanes))
        Weights.
    sums : Out(data.ArrayLayout(signed(32), lanes))
        What was added up.
    given : Out(1)
        Sums are whole.
    last : Out(item_layout(config))
        Their last item.
    adding : Out(1)
        Sums that are whole in the next cycle belong to gradients.
    events : Out(event_layout(config))
        What happens in lanes.
    """

    settings: data.View
    core: Signal
    operation: Signal
    valid: Signal
    inside: Signal
    item: data.View
    spikes: Signal
    activations: Signal
    errors: Signal
    copies: data.View
    sums: data.View
    given: Signal
    last: data.View
    adding: Signal
    events: data.View

    def __init__(self, config: TrainConfig, cores: tuple[Core, ...]):
        self.config = config
        self.cores = cores
        lanes = config.lanes
        super().__init__({
            "settings": In(settings_layout(config)), "core": In(unsigned(3)),
            "operation": In(unsigned(2)), "valid": In(1), "inside": In(1),
            "item": In(item_layout(config)), "spikes": In(unsigned(lanes)),
            "activations": In(unsigned(8 * lanes)), "errors": In(unsigned(8 * lanes)),
            "copies": In(data.ArrayLayout(signed(8), lanes)),
            "sums": Out(data.ArrayLayout(signed(32), lanes)), "given": Out(1),
            "last": Out(item_layout(config)), "adding": Out(1),
            "events": Out(event_layout(config)),
        })

    def elaborate(self, platform):
        m = Module()
        _, back, outer = (self.operation == one for one in Operation)
        products = self._multiply(m)
        multiplied, valid = Signal(item_layout(self.config)), Signal(2)
        m.d.sync += [multiplied.eq(self.item), self.last.eq(multiplied),
                     valid.eq(Cat(self.valid, valid))]
        dot = Signal(signed(32))
        m.d.comb += [dot.eq(sum(products)), self.given.eq(valid[1] & ~outer & self.last.last),
                     self.adding.eq(valid[0] & outer & multiplied.last)]
        for lane, product in enumerate(products):
            mine = Mux(multiplied.lane[:self.config.lane_bits] == lane, dot, 0)
            with m.If(valid[0]):
                m.d.sync += self.sums[lane].eq(
                    Mux(multiplied.first, 0, self.sums[lane])
                    + Mux(back & ~multiplied.bypass, mine, product))
        return m

    def _multiply(self, m: Module) -> list[Signal]:
        """Return the products of an item, a cycle later."""
        lanes, bits = self.config.lanes, self.config.lane_bits
        forward, back, outer = (self.operation == one for one in Operation)
        lane_in, core, item = self.item.lane[:bits], self.core, self.item
        spike, activation, spiking = Signal(), Signal(signed(8)), Signal()
        outputs_last, multiplying = Signal(range(64)), Signal()
        m.d.comb += [
            spike.eq(self.spikes.bit_select(lane_in, 1)),
            activation.eq(self.activations.word_select(lane_in, 8)),
            spiking.eq((core == Core.G1) | (core == Core.DENSE)),
            outputs_last.eq(Mux((core == Core.G4) | (core == Core.DENSE),
                                self.settings.outputs_last, self.settings.rank_last)),
            multiplying.eq(~spiking | back),
        ]
        products, used, lost = [], Signal(lanes), Signal(lanes)
        for lane in range(lanes):
            product = Signal(signed(24), name=f"product_{lane}")
            error, weight, one, other = (
                Signal(signed(8), name=f"{name}_{lane}")
                for name in ("error", "weight", "one", "other"))
            exists, nonzero = Signal(name=f"exists_{lane}"), Signal(name=f"nonzero_{lane}")
            m.d.comb += [
                error.eq(self.errors.word_select(lane, 8)), weight.eq(self.copies[lane]),
                one.eq(Mux(outer, error, weight)), other.eq(Mux(back, error, activation)),
                exists.eq(self.valid & self.inside & ~item.bypass
                          & lane_exists(lane, item.outputs, outputs_last, bits)),
                nonzero.eq((forward | (error != 0))
                           & (back | Mux(spiking, spike, activation != 0))),
                used[lane].eq(exists & nonzero), lost[lane].eq(exists & ~nonzero),
            ]
            m.d.sync += product.eq(0)
            with m.If(used[lane]):
                m.d.sync += product.eq(Mux(multiplying, one * other, one))
            if Core.G2 in self.cores:  # it passes on what the middle cores do not compute
                value = self.activations.word_select(lane, 8).as_signed()
                with m.If(self.valid & item.bypass & (core == Core.G2)):
                    m.d.sync += product.eq(Mux(back, error << self.settings.shift_m, value))
            products.append(product)
        count = Signal(range(lanes + 1))
        m.d.comb += [
            count.eq(sum(used)), self.events.skipped.eq(sum(lost)),
            self.events.multiplies.eq(Mux(multiplying, count, 0)),
            self.events.accumulates.eq(Mux(multiplying, 0, count))]
        return products
