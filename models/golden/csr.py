# SPDX-License-Identifier: Apache-2.0
"""The control and status registers as a host sees them, one access at a time."""

import dataclasses
from importlib.metadata import version

from ...rtl.config import AcceleratorConfig

__all__ = ["BUSY", "COUNTERS", "RegisterFile"]

BUSY = 20  # error code: started while running

# 64-bit counters, low and high half from 0x80 on.
COUNTERS = ("cycles", "match", "empty", "stall_join", "stall_output", "stall_row", "stall_column",
            "idle", "weight_words", "spike_words", "other_words", "words_written", "array_busy",
            "loading", "writing")
_WORD = 0xFFFFFFFF
_DONE, _ERROR, _STOPPED = 1, 2, 4  # bits of the interrupt registers
_COMMANDS = ("start", "stop", "reset", "clear_counters")
_BASE, _IMAGES, _ENABLE, _ADDRESS = 0x28, 0x2C, 0x20, 0x40
_NAMES = {"fast_fast": 0, "fast_laggy": 1, "loas": 0, "scan": 1, "bcast": 2, "axi": 0,
          "on_chip": 1, "differential": 0, "offset": 1, "sign": 2, "sums": 0, "scores": 1}


class RegisterFile:
    """Registers of an accelerator, with what the accelerator reports.

    Parameters
    ----------
    config : AcceleratorConfig

    Attributes
    ----------
    memory_idle : bool
        The memory has nothing under way.
    descriptor, image : int
        What is at work.
    cell_failures : int
        Cells of crossbars that missed their target.
    counters : dict[str, int]
        The 64-bit counters by name; those that are missing are zero.
    words : dict[int, int]
        The memory on chip, by the index of the 32-bit word; those that are missing are zero.
    """

    def __init__(self, config: AcceleratorConfig):
        self.config = config
        self.memory_idle = True
        self.descriptor = self.image = self.cell_failures = 0
        self.counters: dict[str, int] = {}
        self.words: dict[int, int] = {}
        self._held = {_ENABLE: 0, _IMAGES: 0}
        self._held[_BASE if config.memory == "axi" else _ADDRESS] = 0
        bits = config.bounds.address_bits
        self._masks = {_ENABLE: 7, _IMAGES: _WORD >> (32 - bits),
                       _ADDRESS: _WORD >> max(0, 32 - bits - config.memory_bits // 64)}
        self._running = self._resetting = False
        self._pending = 0
        self._flags = 0  # done 1, error 2, stopped 4
        self._error = (0, 0, 0)
        self._high = 0
        self._constants = self._fixed()

    @property
    def running(self) -> bool:
        """Whether a program runs or a reset is at work."""
        return self._running

    @running.setter
    def running(self, value: bool) -> None:
        self._running = value
        self._resetting &= value

    @property
    def base(self) -> int:
        """Byte address of the program image."""
        return self._held.get(_BASE, 0)

    @property
    def images(self) -> int:
        """Images to run."""
        return self._held[_IMAGES]

    @property
    def address(self) -> int:
        """Index of the word of memory that is accessed next."""
        return self._held[_ADDRESS]

    @property
    def interrupt(self) -> bool:
        """Whether an enabled event is pending."""
        return bool(self._pending & self._held[_ENABLE])

    @property
    def open(self) -> bool:
        """Whether the memory may be accessed."""
        words = self.config.memory_words * self.config.memory_bits // 32
        return (self.config.memory == "on_chip" and not self.running and self.memory_idle
                and self.address < words)

    def read(self, offset: int) -> int | None:
        """Return the register at a byte offset; None if the read is refused."""
        offset &= ~3
        if offset in self._constants:
            return self._constants[offset]
        if offset in self._held:
            return self._held[offset]
        if offset == 0x44:
            return self._read_memory()
        if 0x80 <= offset < 0x80 + 8 * len(COUNTERS) and self.config.bounds.counters:
            value = self.counters.get(COUNTERS[(offset - 0x80) // 8], 0)
            if offset & 4:
                return self._high
            self._high = value >> 32
            return value & _WORD
        return {
            0x10: 0,
            0x14: (self.running | (bool(self._flags & _DONE) << 1)
                   | (bool(self._flags & _STOPPED) << 2) | (bool(self._flags & _ERROR) << 3)
                   | self.memory_idle << 4),
            0x18: self._error[0] | self._error[1] << 16,
            0x1C: self._error[2],
            0x24: self._pending,
            0x30: self.image,
            0x34: self.descriptor,
            0x38: self.cell_failures if self.config.crossbar else None,
        }.get(offset)

    def write(self, offset: int, value: int, strobes: int = 15) -> tuple[str, ...] | None:
        """Write a register; return the commands that this gives, None if it is refused."""
        offset &= ~3
        mask = sum(0xFF << 8 * byte for byte in range(4) if strobes >> byte & 1)
        if offset in self._held:
            old = self._held[offset]
            self._held[offset] = ((old & ~mask) | (value & mask)) & self._masks.get(offset, _WORD)
            return ()
        if offset == 0x24:
            self._pending &= ~(value & mask)
            return ()
        if offset == 0x10:
            return self._command({name for bit, name in enumerate(_COMMANDS)
                                  if value & mask & 1 << bit})
        if offset == 0x44 and self.open and strobes == 15:
            self.load(value)
            return ()
        return None

    def seek(self, address: int) -> None:
        """Go to a word of the memory."""
        self._held[_ADDRESS] = address

    def load(self, word: int) -> None:
        """Write the next word of the memory."""
        self.words[self.address] = word
        self._advance()

    def report(self, *, done: bool = False, stopped: bool = False, error: int = 0) -> None:
        """Note what has just happened, unless a reset ends it; ``error`` is its code."""
        if not self._resetting:
            self._note(done, stopped, error)

    def _note(self, done: bool = False, stopped: bool = False, error: int = 0) -> None:
        now = done * _DONE | bool(error) * _ERROR | stopped * _STOPPED
        self._pending |= now
        if error and not self._flags & _ERROR:
            self._error = (error, self.descriptor, self.image)
        self._flags |= now

    def _command(self, wanted: set[str]) -> tuple[str, ...]:
        if "reset" in wanted:
            wanted -= {"start", "stop"}
            self._pending = self._flags = 0
            self._error = (0, 0, 0)
            self._resetting = self._running
        if "start" in wanted:
            if self.running or self._flags & _ERROR:
                wanted.remove("start")
                if not self._flags & _ERROR:
                    self._note(error=BUSY)
            else:
                self._flags = 0
        return tuple(name for name in _COMMANDS if name in wanted)

    def _read_memory(self) -> int | None:
        if not self.open:
            return None
        word = self.words.get(self.address, 0)
        self._advance()
        return word

    def _advance(self) -> None:
        self._held[_ADDRESS] = (self.address + 1) & self._masks[_ADDRESS]

    def _fixed(self) -> dict[int, int]:
        """Return the registers that never change."""
        major, minor, patch = map(int, version("spikeloom").split(".")[:3])
        number = int(self.config.hash(), 16)
        fixed = {0x00: 0x53504B4C, 0x04: major << 16 | minor << 8 | patch,
                 0x08: number & _WORD, 0x0C: number >> 32}
        values = self.config.as_dict()
        parts = {name: values.pop(name, {}) for name in self.config.parts}
        table = [*values.values()]
        for name, kind in self.config.parts.items():
            places = [None] * len(dataclasses.fields(kind))  # those of a part that is not there
            table += [int(bool(parts[name])), *(parts[name].values() or places)]
        for index, value in enumerate(table):
            if value is not None:
                fixed[0x100 + 4 * index] = value if isinstance(value, int) else _NAMES[value]
        return fixed
