# SPDX-License-Identifier: Apache-2.0
"""The accelerator in Verilator behind the transport of a session: one process, kept running."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..gen.session.transport import TransportError
from ..rtl.config import AcceleratorConfig
from ..rtl.soc.register_map import register_map
from .accelerator_design import memory_words
from .simulation_server import SimulationServer

__all__ = ["BusTiming", "VerilatorTransport"]

_FAULTS = {
    1: "a burst is not INCR, not of whole words or not aligned",
    2: "a burst crosses 4 KiB",
    3: "a burst leaves the memory",
    4: "valid or payload changed while it waited",
    5: "wlast is in the wrong place",
}
_LOAD_SECONDS = 300.0
_ANSWERS = {2: "SLVERR", 3: "DECERR", 4: "no answer"}


@dataclass(frozen=True, kw_only=True)
class BusTiming:
    """How the memory outside behaves; both directions are alike.

    Parameters
    ----------
    latency : int
        Cycles from the address to the first word, 0..65535.
    pace : int
        Words in 256 cycles, 1..256.
    stall : int
        Cycles of 256 in which a channel pauses at random, 0..255.
    """

    latency: int = 20
    pace: int = 256
    stall: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (("latency", 0, 65535), ("pace", 1, 256), ("stall", 0, 255)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be in {low}..{high}, not {value}")


class VerilatorTransport:
    """A running simulation of the accelerator, as a `gen.session.transport.Transport`.

    Simulated time passes only in register accesses and waits, for two cycles in an access to the
    memory, and while a memory inside is written: over the load stream, to where the register
    ``memory_address`` points.

    Parameters
    ----------
    config : AcceleratorConfig
    timing : BusTiming
        Of a memory outside.
    verilog : str or None
        In place of the accelerator's own.
    waves : bool
        Whether `dump_waves` may be used; it costs speed.
    quick : bool
        Whether it is built in less time and runs slower.

    Attributes
    ----------
    cycle : int
        Since the start of the simulation.
    cycles : int
        Simulated in all waits.
    seconds : float
        On the wall, that they took.

    Raises
    ------
    TransportError
        The simulation does not start.
    ToolError
        It cannot be built.
    """

    def __init__(self, config: AcceleratorConfig, *, timing: BusTiming | None = None,
                 verilog: str | None = None, waves: bool = False, quick: bool = False):
        self.config = config
        self.cycle, self.cycles, self.seconds = 0, 0, 0.0
        self._word = config.memory_bits // 8
        self._waves = waves
        self._load_offset = (register_map(config)["memory_address"].offset
                             if config.memory == "on_chip" else 0)
        self._server = SimulationServer(config, verilog, dataclasses.asdict(timing or BusTiming()),
                                        waves, quick)

    def __enter__(self) -> "VerilatorTransport":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Files of this simulation."""
        return self._server.folder

    def read_register(self, offset: int) -> int:
        """Return the 32-bit register at a byte offset."""
        return self._access(f"read of register {offset:#x}", "read", offset=offset)

    def write_register(self, offset: int, value: int) -> None:
        """Write the 32-bit register at a byte offset."""
        self._access(f"write of register {offset:#x}", "write", offset=offset, value=value)

    def read_memory(self, address: int, count: int) -> bytes:
        """Return ``count`` bytes from a byte address, counted from the program image's start."""
        first, before, words = self._range(address, count)
        return self._read_words(first, words)[before:before + count] if count else b""

    def write_memory(self, address: int, data: bytes) -> None:
        """Write bytes from a byte address on; what lies around them stays."""
        first, before, words = self._range(address, len(data))
        if not data:
            return
        after = words * self._word - before - len(data)
        head = self._read_words(first, 1)[:before] if before else b""
        tail = self._read_words(first + words - 1, 1)[self._word - after:] if after else b""
        self._write_words(first, head + bytes(data) + tail)

    def wait(self, timeout: float) -> bool:
        """Wait for the interrupt, at most ``timeout`` seconds; return whether it came.

        It ends with the window of `dump_waves`, too.

        Raises
        ------
        TransportError
            The accelerator broke a rule of the memory bus.
        """
        return bool(self._ask("wait", timeout)["interrupt"])

    def log_writes(self, on: bool) -> None:
        """Begin to log the words that the accelerator writes, anew, or end it."""
        self._ask("memory", what="log_begin" if on else "log_end", first=0, words=0)

    def logged_writes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return cycle and word address, int64[n] each, of each word in the log just ended."""
        path = self.folder / "writes.log"
        tokens = path.read_text().split() if path.exists() else []
        addresses = [int(token, 16) for token in tokens[1::2]]
        return np.array(tokens[::2], np.int64), np.array(addresses, np.int64)

    def dump_waves(self, first: int, last: int) -> Path:
        """Write waves from one cycle to another, both to come; only once in a simulation.

        Waits end at ``last``. Return the path of the file, which is whole after `close`.
        """
        if not self._waves:
            raise ValueError("waves must be True in a simulation that dumps them")
        self._ask("waves", first=first, last=last)
        return self.folder / "waves.vcd"

    def close(self) -> None:
        """End the simulation; calling it again does nothing."""
        self._server.close()

    def _range(self, address: int, count: int) -> tuple[int, int, int]:
        """Return first word, bytes before in it, and number of words."""
        first, before = divmod(address, self._word)
        words = -(-(before + count) // self._word)
        if address < 0 or count < 0 or first + words > memory_words(self.config):
            raise TransportError(f"memory must be accessed in bytes 0.."
                                 f"{memory_words(self.config) * self._word - 1}, "
                                 f"not {address}..{address + count - 1}")
        return first, before, words

    def _read_words(self, first: int, words: int) -> bytes:
        self._ask("memory", what="get", first=first, words=words)
        lines = (self.folder / "memory_out.hex").read_text().splitlines()
        digits = "".join(line for line in lines if not line.startswith(("@", "/")))
        return _reversed(bytes.fromhex(digits), self._word)

    def _write_words(self, first: int, data: bytes) -> None:
        if self.config.memory == "on_chip":
            self._load(first * self._word // 4, data)
            return
        (self.folder / "memory_in.hex").write_text(_lines(_reversed(data, self._word), self._word))
        self._ask("memory", what="put", first=first, words=len(data) // self._word)

    def _load(self, index: int, data: bytes) -> None:
        """Send 32-bit words over the load stream, to ``index`` and on."""
        self.write_register(self._load_offset, index)
        (self.folder / "load_in.hex").write_text(_lines(_reversed(data, 4), 4))
        if not self._ask("load", _LOAD_SECONDS, words=len(data) // 4)["done"]:
            raise TransportError(f"the load stream does not end in {_LOAD_SECONDS} s")

    def _access(self, what: str, command: str, **arguments: int) -> int:
        answer = self._ask(command, **arguments)
        if answer["response"]:
            raise TransportError(f"{what}: {_ANSWERS.get(answer['response'], 'EXOKAY')}")
        return answer["value"]

    def _ask(self, command: str, timeout: float = 0.0, **arguments: Any) -> dict[str, Any]:
        answer = self._server.ask(command, timeout, **arguments)
        self.cycle, self.cycles = answer["cycle"], answer["cycles"]
        self.seconds = answer["seconds"]
        if answer["fault"]:
            raise TransportError(f"memory bus, cycle {self.cycle}: {_FAULTS[answer['fault']]}")
        return answer


def _reversed(data: bytes, word: int) -> bytes:
    """Turn the bytes of each word around: files have the highest first."""
    return np.frombuffer(data, np.uint8).reshape(-1, word)[:, ::-1].tobytes()


def _lines(data: bytes, word: int) -> str:
    """Return a word a line."""
    return data.hex("\n", -word) + "\n"
