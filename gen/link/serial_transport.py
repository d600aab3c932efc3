# SPDX-License-Identifier: Apache-2.0
"""An accelerator on a board, behind its serial line, as the transport of a session."""

import time
from collections.abc import Sequence
from typing import Any

from ...rtl.config import AcceleratorConfig
from ...rtl.soc.register_map import register_map
from ..session.transport import TransportError
from .host import Host, LinkErrors, Port

__all__ = ["SerialTransport", "open_port"]

_MAP = register_map(AcceleratorConfig(memory="on_chip"))  # the offsets are the same in all
_ADDRESS, _DATA = _MAP["memory_address"].offset, _MAP["memory_data"].offset
_ENABLE, _PENDING = _MAP["interrupt_enable"].offset, _MAP["interrupt_status"].offset
_WORD = 4          # bytes
_LONGEST_NAP = 0.02  # seconds between two looks at the interrupt


def open_port(path: str, baud: int) -> Port:
    """Open a serial line.

    Raises
    ------
    TransportError
        pyserial is not installed, or there is no such line.
    """
    try:
        import serial
    except ModuleNotFoundError:
        raise TransportError("pyserial is not installed: pip install 'spikeloom[fpga]'") from None
    try:
        port: Any = serial.Serial(path, baud, exclusive=True)
        port.reset_input_buffer()
    except (OSError, ValueError) as error:
        raise TransportError(f"{path}: {error}") from None
    return port


class SerialTransport:
    """A `gen.session.transport.Transport` over a serial line to a `rtl.link.HostLink`.

    What the line drops, damages or repeats is asked for again, and no access is made twice. An
    interrupt is a register that is asked again and again.

    Parameters
    ----------
    port : str or Port
        Path of the line, or the open line.
    baud : int
        Bits per second.
    timeout : float
        Seconds that an answer may take; a frame of 64 words takes 3 ms at a megabit per second.
    retries : int
        How often a request is made again before it is given up.

    Raises
    ------
    TransportError
        There is no such line, or nobody answers on it.
    """

    def __init__(self, port: str | Port, *, baud: int = 1_000_000, timeout: float = 0.5,
                 retries: int = 8):
        name = port if isinstance(port, str) else "serial line"
        line = open_port(port, baud) if isinstance(port, str) else port
        self._host = Host(line, name, timeout, retries)
        self._closed = False

    def __enter__(self) -> "SerialTransport":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def errors(self) -> LinkErrors:
        """Return what went wrong on the line so far; nothing was lost by it."""
        return self._host.update()

    def read_register(self, offset: int) -> int:
        """Return the 32-bit register at a byte offset."""
        return int.from_bytes(self._host.read(offset, 1, False), "little")

    def write_register(self, offset: int, value: int) -> None:
        """Write the 32-bit register at a byte offset."""
        self._host.write(offset, value.to_bytes(_WORD, "little"), False)

    def read_registers(self, offset: int, count: int) -> list[int]:
        """Return what a register gives when it is read so often."""
        found: list[int] = []
        while len(found) < count:
            words = min(count - len(found), self._host.words)
            data = self._host.read(offset, words, False)
            found += [int.from_bytes(data[place:place + _WORD], "little")
                      for place in range(0, len(data), _WORD)]
        return found

    def write_registers(self, offset: int, values: Sequence[int]) -> None:
        """Write values to a register, one after the other."""
        for first in range(0, len(values), self._host.words):
            self._host.write(offset, b"".join(
                value.to_bytes(_WORD, "little")
                for value in values[first:first + self._host.words]), False)

    def read_memory(self, address: int, count: int) -> bytes:
        """Return ``count`` bytes from a byte address, counted from the program image's start."""
        first, before = divmod(address, _WORD)
        left = -(-(before + count) // _WORD) if count else 0
        self.write_register(_ADDRESS, first)
        found = b""
        while left:
            words = min(left, self._host.words)
            found += self._host.read(_DATA, words, False)
            left -= words
        return found[before:before + count]

    def write_memory(self, address: int, data: bytes) -> None:
        """Write bytes from a byte address on; what lies around them stays."""
        if not data:
            return
        before, after = address % _WORD, -(address + len(data)) % _WORD
        head = self.read_memory(address - before, before)
        tail = self.read_memory(address + len(data), after)
        whole = head + bytes(data) + tail
        self.write_register(_ADDRESS, (address - before) // _WORD)
        step = self._host.words * _WORD
        for place in range(0, len(whole), step):
            self._host.write(_DATA, whole[place:place + step], False)

    def wait(self, timeout: float) -> bool:
        """Wait for the interrupt, at most ``timeout`` seconds; return whether it came."""
        end, nap = time.monotonic() + timeout, 0.001
        while not self._interrupt():
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(nap, left))
            nap = min(2 * nap, _LONGEST_NAP)
        return True

    def close(self) -> None:
        """Give the line back; calling it again does nothing."""
        if not self._closed:
            self._closed = True
            self._host.close()

    def _interrupt(self) -> bool:
        """Return whether an enabled event is pending."""
        first = min(_ENABLE, _PENDING)
        both = self._host.read(first, abs(_ENABLE - _PENDING) // _WORD + 1, True)
        enable, pending = (int.from_bytes(both[place - first:place - first + _WORD], "little")
                           for place in (_ENABLE, _PENDING))
        return bool(enable & pending)
