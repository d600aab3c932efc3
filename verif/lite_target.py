# SPDX-License-Identifier: Apache-2.0
"""Registers behind an AXI4-Lite bus that a unit drives, with pauses and the rules watched."""

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from ..models.golden.host_link import Bus

__all__ = ["LiteTarget"]

_OKAY, _SLVERR = 0, 2


class LiteTarget:
    """Answer the accesses of a unit.

    It fails the test when a request or its payload changes before it is taken.

    Parameters
    ----------
    dut : cocotb handle
    name : str
        The ports are ``NAME__awvalid`` and so on.
    bus : Bus
    rng : random.Random
    stalls : float
        Share of the cycles in which it does nothing.
    """

    def __init__(self, dut: Any, name: str, bus: Bus, rng: random.Random, stalls: float = 0.0):
        self._dut, self._name, self._bus = dut, name, bus
        self._rng, self._stalls = rng, stalls
        for port in ("awready", "wready", "bvalid", "arready", "rvalid"):
            self._port(port).value = 0
        cocotb.start_soon(self._reads())
        cocotb.start_soon(self._writes())

    def _port(self, name: str) -> Any:
        return getattr(self._dut, f"{self._name}__{name}")

    def _get(self, name: str) -> int:
        return int(self._port(name).value)

    async def _edge(self) -> None:
        await RisingEdge(self._dut.clk)

    async def _taken(self, channel: str, *payload: str) -> list[int]:
        """Take a request of a channel; return its payload."""
        while not self._get(f"{channel}valid"):
            await self._edge()
        first = [self._get(name) for name in payload]
        while self._rng.random() < self._stalls:
            await self._edge()
            assert self._get(f"{channel}valid"), f"{channel}valid must not be withdrawn"
        self._port(f"{channel}ready").value = 1
        await self._edge()
        self._port(f"{channel}ready").value = 0
        taken = [self._get(name) for name in payload]
        assert taken == first, f"{payload} must stay {first}, not become {taken}"
        return first

    async def _answer(self, channel: str, **values: int) -> None:
        while self._rng.random() < self._stalls:
            await self._edge()
        for name, value in values.items():
            self._port(name).value = value
        self._port(f"{channel}valid").value = 1
        await self._edge()
        while not self._get(f"{channel}ready"):
            await self._edge()
        self._port(f"{channel}valid").value = 0

    async def _reads(self) -> None:
        while True:
            await self._edge()
            (address,) = await self._taken("ar", "araddr")
            found = self._bus.read(address)
            await self._answer("r", rdata=found or 0, rresp=_response(found))

    async def _writes(self) -> None:
        while True:
            await self._edge()
            taken = [cocotb.start_soon(self._taken(*names))
                     for names in (("aw", "awaddr"), ("w", "wdata", "wstrb"))]
            (address,), (value, strobes) = [await task for task in taken]
            assert strobes == 15
            found = self._bus.write(address, value)
            await self._answer("b", bresp=_response(found))


def _response(found: object) -> int:
    return _SLVERR if found is None else _OKAY
