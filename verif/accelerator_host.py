# SPDX-License-Identifier: Apache-2.0
"""The accelerator between buses that others wrote: a host on AXI4-Lite, a memory on AXI4."""

import itertools
import random
import warnings
from typing import Any

from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from ..gen.compiler.program import Program
from ..rtl.soc.register_map import ErrorCode, register_map
from .bench import Bench
from .streams import pauses

__all__ = ["BASE", "AcceleratorHost"]

BASE = 0x0010_0000        # byte address of the program image
_RAM_BYTES = 1 << 22
_COMMANDS = {"start": 1, "stop": 2, "reset": 4}

# It runs with cocotb 2.1, through functions that cocotb has newer names for.
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"cocotbext\.axi\.")


class AcceleratorHost:
    """Loads and runs programs as a host would, while all buses pause at random.

    Parameters
    ----------
    bench : Bench
    pause : float
        Share of the cycles in which each channel of each bus pauses.

    Attributes
    ----------
    ram : AxiRam
        The memory.
    """

    def __init__(self, bench: Bench, pause: float = 0.0):
        dut = bench.dut
        self.bench = bench
        self.registers = register_map(bench.config)
        self.lite: Any = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk)
        self.ram: Any = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=_RAM_BYTES)
        write, read = self.ram.write_if, self.ram.read_if
        lite_write, lite_read = self.lite.write_if, self.lite.read_if
        for interface in (write, read, lite_write, lite_read):
            interface.log.setLevel("WARNING")
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel,
                        read.r_channel, lite_write.aw_channel, lite_write.w_channel,
                        lite_write.b_channel, lite_read.ar_channel, lite_read.r_channel):
            channel.log.setLevel("WARNING")
            if pause:
                rng = random.Random(bench.rng.getrandbits(64))
                channel.set_pause_generator(pauses(rng, pause, rng.choice((1, 3, 12))))

    async def read(self, name: str) -> int:
        """Read a register."""
        response = await self.lite.read(self.registers[name].offset, 4)
        assert response.resp == 0, name
        return int.from_bytes(response.data, "little")

    async def write(self, name: str, value: int) -> None:
        """Write a register."""
        response = await self.lite.write(self.registers[name].offset, value.to_bytes(4, "little"))
        assert response.resp == 0, name

    async def command(self, name: str) -> None:
        """Give a command: start, stop or reset."""
        await self.write("control", _COMMANDS[name])

    async def status(self) -> dict[str, int]:
        """Return the bits of the register ``status``."""
        value = await self.read("status")
        return {field.name: value >> field.lsb & 1 for field in self.registers["status"].fields}

    def load(self, program: Program, images: Any, content: bytes | None = None) -> None:
        """Write a program, or ``content`` in its place, and images to the memory."""
        self.ram.write(BASE, content or program.content)
        place = BASE + program.manifest.input_address * program.word_bytes
        self.ram.write(place, program.encode_images(images))

    def memory(self, program: Program) -> bytes:
        """Return what the memory holds of a program."""
        return bytes(self.ram.read(BASE, program.manifest.memory_words * program.word_bytes))

    async def start(self, images: int) -> None:
        """Start, with all interrupts enabled."""
        await self.write("base", BASE)
        await self.write("images", images)
        await self.write("interrupt_enable", 7)
        await self.command("start")

    async def wait(self, cycles: int = 400_000) -> None:
        """Wait for the interrupt and clear it."""
        for _ in range(cycles):
            if int(self.bench.dut.irq.value):
                break
            await RisingEdge(self.bench.dut.clk)
        else:
            raise AssertionError(f"no interrupt in {cycles} cycles: {await self.status()}")
        await self.write("interrupt_status", 7)

    async def run(self, images: int) -> None:
        """Start and wait; it must end well."""
        await self.start(images)
        await self.wait()
        status = await self.status()
        assert status["done"] and not status["running"] and not status["error"], (
            status, await self.error())
        assert await self.read("images_done") == images

    async def error(self) -> tuple[str, int]:
        """Return name and descriptor of the error."""
        value = await self.read("error")
        return ErrorCode(value & 0xFF).name.lower(), value >> 16

    async def fails(self, images: int = 1) -> tuple[str, int]:
        """Start, wait, and return the error that must be there."""
        await self.start(images)
        await self.wait()
        status = await self.status()
        assert status["error"] and not status["running"] and not status["done"], status
        return await self.error()

    async def reset(self) -> None:
        """Reset the engines and wait until that is done."""
        await self.command("reset")
        for _ in itertools.repeat(None, 2000):
            if not (await self.status())["running"]:
                assert await self.error() == ("none", 0)
                return
        raise AssertionError("the reset does not end")
