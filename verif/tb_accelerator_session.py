# SPDX-License-Identifier: Apache-2.0
"""cocotb: serve one session with the accelerator; commands come over a socket.

A command is one line of JSON, and so is its answer. While the server waits for a command,
simulated time stands still.
"""

import json
import os
import socket
import time
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

from .bench import PARAMETERS_VARIABLE
from .streams import PERIOD_NS

__all__ = ["MEMORY_COMMANDS"]

# Commands to the memory, as axi_memory.sv numbers them.
MEMORY_COMMANDS = {"put": 1, "get": 2, "log_begin": 3, "log_end": 4}
_SLICE = 5000  # cycles between two looks at the clock on the wall
_INPUTS = ("access_valid", "access_write", "access_address", "access_data", "memory_command",
           "memory_first", "memory_words", "load_go", "load_words", "waves_from",
           "waves_to")


class _Server:
    """What each command does; one method a command, its arguments those of the JSON object."""

    def __init__(self, dut: Any):
        self.dut = dut
        self.cycles = 0     # of all waits
        self.seconds = 0.0  # on the wall, that they took

    async def start(self, settings: dict[str, int]) -> None:
        """Start the clock and reset the accelerator."""
        for name in _INPUTS:
            getattr(self.dut, name).value = 0
        for name, value in settings.items():
            getattr(self.dut, name).value = value
        self.dut.rst.value = 1
        Clock(self.dut.clk, PERIOD_NS, "ns").start()
        await ClockCycles(self.dut.clk, 4)
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 1)

    async def read(self, offset: int) -> dict[str, int]:
        """Read a register."""
        return await self._access(0, offset, 0)

    async def write(self, offset: int, value: int) -> dict[str, int]:
        """Write a register."""
        return await self._access(1, offset, value)

    async def memory(self, what: str, first: int, words: int) -> dict[str, int]:
        """Give the memory a command; its files are in the working directory."""
        self.dut.memory_first.value = first
        self.dut.memory_words.value = words
        self.dut.memory_command.value = MEMORY_COMMANDS[what]
        await ClockCycles(self.dut.clk, 1)
        self.dut.memory_command.value = 0
        await ClockCycles(self.dut.clk, 1)
        return {}

    async def load(self, words: int, seconds: float) -> dict[str, int]:
        """Play the load stream; ``done`` is 0 if it got stuck."""
        self.dut.load_words.value = words
        self.dut.load_go.value = 1
        done = await self._until(self.dut.load_done, seconds)
        self.dut.load_go.value = 0
        await ClockCycles(self.dut.clk, 20)  # the last word on its way
        return {"done": done}

    async def waves(self, first: int, last: int) -> dict[str, int]:
        """Write waves from cycle ``first`` to ``last``; no time passes."""
        self.dut.waves_from.value = first
        self.dut.waves_to.value = last
        return {}

    async def wait(self, seconds: float = 0.0) -> dict[str, int]:
        """Let time pass until there is something to look at."""
        began, started = int(self.dut.cycle.value), time.monotonic()
        stopped = await self._until(self.dut.stopped, seconds)
        self.cycles += int(self.dut.cycle.value) - began
        self.seconds += time.monotonic() - started
        return {"stopped": stopped}

    async def _until(self, signal: Any, seconds: float) -> int:
        started = time.monotonic()
        while not int(signal.value):
            await First(RisingEdge(signal), Timer(_SLICE * PERIOD_NS, "ns"))
            if not int(signal.value) and time.monotonic() - started > seconds:
                return 0
        return 1

    async def _access(self, write: int, offset: int, value: int) -> dict[str, int]:
        self.dut.access_write.value = write
        self.dut.access_address.value = offset
        self.dut.access_data.value = value
        self.dut.access_valid.value = 1
        await RisingEdge(self.dut.access_done)
        result = int(self.dut.access_result.value)
        self.dut.access_valid.value = 0
        await ClockCycles(self.dut.clk, 2)
        return {"value": result & 0xFFFFFFFF, "response": result >> 32}

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a request asks for; say also how the simulation stands."""
        result = await getattr(self, request.pop("command"))(**request)
        return result | {
            "cycle": int(self.dut.cycle.value), "cycles": self.cycles, "seconds": self.seconds,
            "fault": int(self.dut.fault.value), "interrupt": int(self.dut.interrupt_seen.value),
        }


@cocotb.test()
async def serve(dut):
    """Serve until the other end closes the socket."""
    parameters = json.loads(os.environ[PARAMETERS_VARIABLE])
    server = _Server(dut)
    await server.start(parameters["settings"])
    with socket.socket(fileno=parameters["socket"]) as connection, \
            connection.makefile("rw") as lines:
        for line in lines:
            answer = await server.answer(json.loads(line))
            lines.write(json.dumps(answer) + "\n")
            lines.flush()
