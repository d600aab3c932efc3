# SPDX-License-Identifier: Apache-2.0
"""Boards, and the way from a system to their pins."""

import importlib
import os
from dataclasses import dataclass
from typing import Any

from amaranth import ClockDomain, Elaboratable, Module, Signal
from amaranth.build.res import ResourceError
from amaranth.lib import io, wiring

from ..rtl.config import ConfigError
from ..verif.toolchain import package_folder

__all__ = ["BOARDS", "Board", "BoardTop", "board_named"]

EXTRA = "fpga"  # the extra of the package that holds the pins of the boards


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board that amaranth-boards knows.

    Parameters
    ----------
    module, platform : str
        Where its pins are.
    clock : int
        Hertz of its oscillator, which is the clock of the system.
    family : str
        "ice40" or "ecp5".
    programmer : tuple of str
        The program that writes the bitstream, the variable that may name another one, and what
        to install for it.
    baud : int
        Bits per second of its serial line.
    """

    module: str
    platform: str
    clock: int
    family: str
    programmer: tuple[str, str, str]
    baud: int = 1_000_000

    @property
    def divisor(self) -> int:
        """Clock cycles of one bit on the serial line."""
        return round(self.clock / self.baud)

    def make_platform(self) -> Any:
        """Return the platform, for one build.

        Raises
        ------
        ToolError
            amaranth-boards is not installed.
        """
        package_folder("amaranth_boards", EXTRA)
        module = importlib.import_module(f"amaranth_boards.{self.module}")
        os.environ.setdefault("OPENFPGALOADER", "openFPGALoader")  # some ask at once
        return getattr(module, self.platform)()


_ICEPROG = ("iceprog", "ICEPROG", "apt-get install fpga-icestorm")
_LOADER = ("openFPGALoader", "OPENFPGALOADER", "apt-get install openfpgaloader")
_OPENOCD = ("openocd", "OPENOCD", "apt-get install openocd")
BOARDS = {
    "icebreaker": Board(module="icebreaker", platform="ICEBreakerPlatform", clock=12_000_000,
                        family="ice40", programmer=_ICEPROG),
    "hx8k": Board(module="ice40_hx8k_b_evn", platform="ICE40HX8KBEVNPlatform",
                  clock=12_000_000, family="ice40", programmer=_ICEPROG),
    "ulx3s-25f": Board(module="ulx3s", platform="ULX3S_25F_Platform", clock=25_000_000,
                       family="ecp5", programmer=_LOADER),
    "ulx3s-85f": Board(module="ulx3s", platform="ULX3S_85F_Platform", clock=25_000_000,
                       family="ecp5", programmer=_LOADER),
    "ecp5-evn": Board(module="ecp5_5g_evn", platform="ECP55GEVNPlatform", clock=12_000_000,
                      family="ecp5", programmer=_OPENOCD),
}


def board_named(name: str) -> Board:
    """Return a board; raise `ConfigError` if there is none of that name."""
    if name not in BOARDS:
        raise ConfigError(f"board must be one of {', '.join(BOARDS)}, not {name!r}")
    return BOARDS[name]


_RESET_CYCLES = 256  # after power-up, until all block RAMs of an iCE40 can be read


class BoardTop(Elaboratable):
    """A system on the pins of a board: serial line, and as many of its LEDs as there are.

    Its clock is the oscillator. It is reset after power-up, by flip-flops that the bitstream sets.

    Parameters
    ----------
    system : wiring.Component
        With the ports ``rx`` and ``tx``; each output of one bit besides is a LED.
    """

    def __init__(self, system: wiring.Component):
        self._system = system

    def elaborate(self, platform):
        m = Module()
        self._clock(m, platform)
        system: Any = self._system
        m.submodules.system = system
        line = platform.request("uart", 0, dir="-")
        m.d.comb += system.rx.eq(self._buffer(m, "rx", "i", line.rx).i)
        m.d.comb += self._buffer(m, "tx", "o", line.tx).o.eq(system.tx)
        lights = [name for name in system.signature.members if name not in ("rx", "tx")]
        for index, name in enumerate(lights):
            try:
                led = platform.request("led", index, dir="-")
            except ResourceError:
                break
            m.d.comb += self._buffer(m, f"led_{index}", "o", led).o.eq(getattr(system, name))
        return m

    def _buffer(self, m: Module, name: str, direction: str, port: Any) -> Any:
        """Return the buffer of a pin."""
        buffer: Any = io.Buffer(io.Direction(direction), port)
        m.submodules[name] = buffer
        return buffer

    def _clock(self, m: Module, platform: Any) -> None:
        """Make the clock and the reset."""
        start: Any = ClockDomain("start", reset_less=True)
        sync: Any = ClockDomain("sync")
        m.domains += [start, sync]
        clock = platform.request(platform.default_clk, dir="-")
        oscillator = self._buffer(m, "oscillator", "i", clock).i
        count, ready = Signal(range(_RESET_CYCLES)), Signal()
        with m.If(~count.all()):
            m.d.start += count.eq(count + 1)
        m.d.start += ready.eq(count.all())
        m.d.comb += [start.clk.eq(oscillator), sync.clk.eq(oscillator), sync.rst.eq(~ready)]
