# SPDX-License-Identifier: Apache-2.0
"""The reference machine behind the transport of a session: no hardware, no cycles."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..rtl.config import AcceleratorConfig
from ..rtl.soc.register_map import ErrorCode, register_map
from .reference_machine import ReferenceMachine

__all__ = ["ReferenceTransport"]

_MEMORY_BYTES = 1 << 22
_DONE, _ERROR = 1, 2  # events of the interrupt registers


class ReferenceTransport:
    """Run what a session loads, on `ReferenceMachine`.

    Parameters
    ----------
    config : AcceleratorConfig
    hook : callable or None
        Called with the machine before each start, to break it.
    fails : tuple of int or None
        Error code, descriptor and images complete with which each start ends.
    hangs : bool
        Whether no start ends.

    Attributes
    ----------
    registers : dict of str to int
        Value of each register.
    memory : bytearray
    starts : list of int
        Images of each start.
    """

    folder = Path()

    def __init__(self, config: AcceleratorConfig, *,
                 hook: Callable[[ReferenceMachine], None] | None = None,
                 fails: tuple[int, int, int] | None = None, hangs: bool = False):
        self.config = config
        self.registers = {item.name: item.reset for item in register_map(config).registers}
        self.memory = bytearray(_MEMORY_BYTES)
        self.starts: list[int] = []
        self.cycle, self.cycles, self.seconds, self.closed = 0, 0, 1.0, False
        self._names = {item.offset: item.name for item in register_map(config).registers}
        self._hook, self._fails, self._hangs = hook, fails, hangs
        self._writes: list[tuple[int, int]] = []

    def read_register(self, offset: int) -> int:
        """Return a register."""
        return self.registers[self._names[offset]]

    def write_register(self, offset: int, value: int) -> None:
        """Write a register."""
        name = self._names[offset]
        if name == "interrupt_status":
            self.registers[name] &= ~value
        elif name != "control":
            self.registers[name] = value
        elif value & 4:
            self.registers["status"] = 0
        elif value & 1:
            self._start(self.registers["images"])

    def read_memory(self, address: int, count: int) -> bytes:
        """Return bytes."""
        return bytes(self.memory[address:address + count])

    def write_memory(self, address: int, data: bytes) -> None:
        """Write bytes."""
        self.memory[address:address + len(data)] = data

    def wait(self, timeout: float) -> bool:
        """Return whether an interrupt is there; nothing else will happen."""
        return bool(self.registers["interrupt_status"] & self.registers["interrupt_enable"])

    def log_writes(self, on: bool) -> None:
        """Begin a log of writes, one a cycle."""
        if on:
            self._writes = []

    def logged_writes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return cycle and word address of each word."""
        cycles, words = np.array(self._writes, np.int64).reshape(-1, 2).T
        return cycles, words

    def close(self) -> None:
        """Remember that it was called."""
        self.closed = True

    def _start(self, images: int) -> None:
        self.starts.append(images)
        if self._hangs:
            self.registers |= {"status": 1, "descriptor": 2, "images_done": 1}
            return
        if self._fails:
            code, descriptor, done = self._fails
            self.registers |= {"status": 8, "interrupt_status": _ERROR, "error_image": done,
                               "error": code | descriptor << 16}
            return
        self._run(images)
        self.registers |= {"status": 2, "interrupt_status": _DONE, "images_done": images,
                           "error": ErrorCode.NONE}

    def _run(self, images: int) -> None:
        word_bytes = self.config.memory_bits // 8
        words = int.from_bytes(self.memory[16:20], "little")
        machine = ReferenceMachine(self.config, bytes(self.memory[:words * word_bytes]))
        memory = machine.memory
        memory.content[:] = self.memory[:len(memory.content)]
        if self._hook:
            self._hook(machine)
        write = memory.write

        def logged(address: int, content: bytes) -> None:
            write(address, content)
            for word in range(-(-len(content) // word_bytes)):
                self.cycle += 1
                self._writes.append((self.cycle, address + word))

        memory.write = logged
        machine.run(images)
        self.memory[:len(memory.content)] = memory.content
