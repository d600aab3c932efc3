# SPDX-License-Identifier: Apache-2.0
"""What every cocotb bench starts from: clock, reset, configuration, seed, typed ports."""

import json
import os
import random
from collections.abc import Iterator
from typing import Any

import cocotb
from amaranth.lib.wiring import In
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from ..gen.units import family_of, unit_type
from .payload import pack, unpack
from .streams import PERIOD_NS, StreamMonitor, StreamSink, StreamSource, pauses

__all__ = ["CONFIG_VARIABLE", "PARAMETERS_VARIABLE", "UNIT_VARIABLE", "Bench"]

UNIT_VARIABLE = "SPIKELOOM_UNIT"
CONFIG_VARIABLE = "SPIKELOOM_CONFIG"
PARAMETERS_VARIABLE = "SPIKELOOM_PARAMETERS"


class Bench:
    """The unit under test with its ports as the component declares them.

    Use `Bench.start` in a cocotb test; the runner passes unit, configuration and parameters.

    Attributes
    ----------
    config : Config
        Of the kind that the unit takes.
    component : wiring.Component
        The unit itself, for its signature.
    parameters : dict
        What the test gave to the runner.
    rng : random.Random
        Seeded by the run's seed.
    """

    def __init__(self, dut: Any):
        self.dut = dut
        self.unit = os.environ[UNIT_VARIABLE]
        self.config: Any = family_of(self.unit).config.from_dict(
            json.loads(os.environ[CONFIG_VARIABLE]))
        self.parameters = json.loads(os.environ[PARAMETERS_VARIABLE])
        self.rng = random.Random(cocotb.RANDOM_SEED)
        self.component: Any = unit_type(self.unit)(self.config)
        self._members = self.component.signature.members

    @classmethod
    async def start(cls, dut: Any) -> "Bench":
        """Silence all inputs, start the clock, reset the unit."""
        bench = cls(dut)
        for path, member, _ in bench.component.signature.flatten(bench.component):
            if member.flow == In:
                getattr(dut, "__".join(map(str, path))).value = 0
        Clock(dut.clk, PERIOD_NS, "ns").start()
        await bench.reset()
        return bench

    async def reset(self, cycles: int = 2) -> None:
        """Hold the unit in reset for some cycles."""
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, cycles)
        self.dut.rst.value = 0

    async def edge(self, count: int = 1) -> None:
        """Wait for clock edges."""
        for _ in range(count):
            await RisingEdge(self.dut.clk)

    def source(self, name: str, pause: float = 0.0, burst: float = 1.0) -> StreamSource:
        """Return a driver of input stream ``name`` that leaves a share ``pause`` of gaps.

        Stream k of an array has the name ``NAME__k``.
        """
        return StreamSource(self.dut, name, self._payload(name), self._pauses(pause, burst))

    def sink(self, name: str, pause: float = 0.0, burst: float = 1.0) -> StreamSink:
        """Return a taker of output stream ``name`` that stalls a share ``pause`` of cycles."""
        return StreamSink(self.dut, name, self._payload(name), self._pauses(pause, burst))

    def monitor(self, name: str) -> StreamMonitor:
        """Return a watcher of stream ``name``."""
        return StreamMonitor(self.dut, name, self._payload(name))

    def write(self, name: str, value: Any) -> None:
        """Set the plain input port ``name``; dict, list or int as its shape wants."""
        getattr(self.dut, name).value = pack(self._members[name].shape, value, name)

    def read(self, name: str) -> Any:
        """Return the plain port ``name``, unpacked by its shape."""
        return unpack(self._members[name].shape, int(getattr(self.dut, name).value))

    def _payload(self, name: str) -> Any:
        return self._members[name.partition("__")[0]].signature.members["payload"].shape

    def _pauses(self, probability: float, burst: float) -> Iterator[bool]:
        return pauses(random.Random(self.rng.getrandbits(64)), probability, burst)
