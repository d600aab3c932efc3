# SPDX-License-Identifier: Apache-2.0
"""Parallel leaky integrate-and-fire (P-LIF): all timesteps of a neuron in one pass."""

from dataclasses import dataclass

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import FTPConfig
from .layouts import channel_layout, lif_layout, place_layout, psums_layout

__all__ = ["ParallelLIF", "charge_and_fire", "plif_input_layout", "word_layout"]


def plif_input_layout(config: FTPConfig, place_shape: data.StructLayout | None = None
                      ) -> data.StructLayout:
    """Return what the P-LIF needs of one output neuron.

    Members
    -------
    psums : psums_layout(config)
        One psum for each timestep.
    channel : channel_layout(config)
        Bias and threshold.
    lif : lif_layout()
        Neuron model.
    place : place_layout(config)
        Passed on unchanged; ``place_shape`` in its stead if given.
    """
    return data.StructLayout({
        "psums": psums_layout(config),
        "channel": channel_layout(config),
        "lif": lif_layout(),
        "place": place_shape or place_layout(config),
    })


def word_layout(config: FTPConfig, place_shape: data.StructLayout | None = None
                ) -> data.StructLayout:
    """Return a lane word and its place.

    Members
    -------
    word : unsigned(T)
        Bit t is the spike at timestep t.
    place : place_layout(config)
        Where in the tile the word belongs; ``place_shape`` in its stead if given.
    """
    return data.StructLayout({
        "word": unsigned(config.timesteps),
        "place": place_shape or place_layout(config),
    })


@dataclass(frozen=True)
class _Stage:
    """Registers before timestep ``t``: spikes so far, and what the later ones need."""

    valid: Signal
    advance: Signal  # what comes next is taken over
    place: data.View
    lif: data.View
    threshold: Signal
    membrane: Signal
    scaled: list[Signal]
    spikes: list[Signal]

    @classmethod
    def create(cls, plif: "ParallelLIF", t: int) -> "_Stage":
        config = plif.config
        return cls(
            valid=Signal(name=f"valid_{t}"),
            advance=Signal(name=f"advance_{t}"),
            place=Signal(plif.place_shape, name=f"place_{t}"),
            lif=Signal(lif_layout(), name=f"lif_{t}"),
            threshold=Signal(channel_layout(config)["threshold"].shape, name=f"threshold_{t}"),
            membrane=Signal(signed(config.membrane_bits), name=f"membrane_{t}"),
            scaled=[Signal(signed(config.current_bits + 4), name=f"scaled_{t}_{k}")
                    for k in range(t, config.timesteps)],
            spikes=[Signal(name=f"spike_{t}_{k}") for k in range(t)])


class ParallelLIF(wiring.Component):
    """Leaky integrate-and-fire over all timesteps at once (LoAS, MICRO 2024, P-LIF).

    With ``x[t] = psum[t] + bias`` and ``v[-1] = 0``, for each timestep in turn::

        u[t] = (v[t-1] + gain*x[t]) >> shift      if decay_input
               (v[t-1] >> shift) + gain*x[t]      otherwise
        s[t] = u[t] >= threshold
        v[t] = u[t] - s[t]*threshold              if soft_reset
               0 if s[t] else u[t]                otherwise

    The shift is arithmetic, so it rounds down; with an integer threshold the neuron then fires
    on exactly the steps on which it would with unlimited precision. No step can overflow
    ``FTPConfig.membrane_bits``.

    Equal in every bit to ``spikeloom.models.golden.plif.plif``.

    Latency: T + 1 cycles, one to scale the currents and one for each timestep.
    Throughput: 1 neuron, all its timesteps, per cycle.
    Back-pressure: while a word waits on ``o`` neurons close up; then ``i`` stops.
    Reset: synchronous; drops all neurons at work.

    Parameters
    ----------
    config : FTPConfig
    place_shape : data.StructLayout
        What travels along with a neuron; ``place_layout(config)`` if not given.

    Members
    -------
    i : In(stream.Signature(plif_input_layout(config)))
        Psums, parameters and place of one output neuron.
    o : Out(stream.Signature(word_layout(config)))
        Its spikes.
    busy : Out(1)
        High while a neuron is at work or a word waits.
    """

    i: stream.Interface
    o: stream.Interface
    busy: Signal

    def __init__(self, config: FTPConfig, place_shape: data.StructLayout | None = None):
        self.config = config
        self.place_shape = place_shape or place_layout(config)
        super().__init__({
            "i": In(stream.Signature(plif_input_layout(config, self.place_shape))),
            "o": Out(stream.Signature(word_layout(config, self.place_shape))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        stages = [_Stage.create(self, t) for t in range(self.config.timesteps + 1)]
        valid = Cat(stage.valid for stage in stages)
        for k, stage in enumerate(stages):  # a gap behind it lets a stage go on
            m.d.comb += stage.advance.eq(self.o.ready | ~valid[k:].all())
        self._scale(m, stages[0])
        for t, (now, after) in enumerate(zip(stages[:-1], stages[1:], strict=True)):
            self._step(m, t, now, after)
        last = stages[-1]
        m.d.comb += [
            self.i.ready.eq(stages[0].advance),
            self.o.valid.eq(last.valid), self.o.p.word.eq(Cat(last.spikes)),
            self.o.p.place.eq(last.place), self.busy.eq(valid.any()),
        ]
        return m

    def _scale(self, m: Module, first: _Stage) -> None:
        """Add the registers of the currents."""
        neuron = self.i.payload
        with m.If(first.advance):
            m.d.sync += [first.valid.eq(self.i.valid), first.place.eq(neuron.place),
                         first.lif.eq(neuron.lif), first.threshold.eq(neuron.channel.threshold)]
        for t, scaled in enumerate(first.scaled):
            current = Signal(signed(self.config.current_bits), name=f"current_{t}")
            m.d.comb += current.eq(neuron.psums[t] + neuron.channel.bias)
            with m.If(first.advance):
                m.d.sync += scaled.eq(current * neuron.lif.gain)

    def _step(self, m: Module, t: int, now: _Stage, after: _Stage) -> None:
        """Add timestep ``t``."""
        spike, membrane = charge_and_fire(
            m, self.config, now.membrane if t else 0, now.scaled[0], now.lif, now.threshold, t)
        with m.If(after.advance):
            m.d.sync += [
                after.valid.eq(now.valid), after.place.eq(now.place),
                *(kept.eq(fired) for kept, fired in zip(after.spikes, (*now.spikes, spike),
                                                        strict=True)),
            ]
            if after.scaled:  # a timestep follows
                m.d.sync += [
                    after.lif.eq(now.lif), after.threshold.eq(now.threshold),
                    after.membrane.eq(membrane),
                    *(kept.eq(scaled) for kept, scaled in zip(after.scaled, now.scaled[1:],
                                                              strict=True)),
                ]


def charge_and_fire(m: Module, config: FTPConfig, before, scaled, lif: data.View, threshold,
                    t: int) -> tuple[Signal, Signal]:
    """Charge the membrane of timestep ``t``, then fire or not.

    One shifter serves both models, as the current comes before it or behind.

    Returns
    -------
    spike : Signal
    membrane : Signal
        For the next timestep.
    """
    charged, potential, membrane = (
        Signal(signed(config.membrane_bits), name=f"{name}_{t}")
        for name in ("charged", "potential", "fired"))
    excess = Signal(signed(config.membrane_bits + 1), name=f"excess_{t}")
    spike = Signal(name=f"spike_{t}")
    early, late = lif.decay_input, ~lif.decay_input
    m.d.comb += [
        charged.eq(before + Mux(early, scaled, 0)),
        potential.eq((charged >> lif.shift) + Mux(late, scaled, 0)),
        excess.eq(potential - threshold),
        spike.eq(excess >= 0),
        membrane.eq(Mux(spike, Mux(lif.soft_reset, excess, 0), potential)),
    ]
    return spike, membrane
