# SPDX-License-Identifier: Apache-2.0
"""What a session needs of the way to an accelerator, be it a simulator or a board."""

from typing import Protocol

__all__ = ["Transport", "TransportError"]


class TransportError(RuntimeError):
    """The way to the accelerator is broken: nobody answers, or the bus reports an error."""


class Transport(Protocol):
    """Access to the registers and to the memory of an accelerator.

    Any method may raise `TransportError`.
    """

    def read_register(self, offset: int) -> int:
        """Return the 32-bit register at a byte offset."""
        ...

    def write_register(self, offset: int, value: int) -> None:
        """Write the 32-bit register at a byte offset."""
        ...

    def read_memory(self, address: int, count: int) -> bytes:
        """Return ``count`` bytes from a byte address, counted from the program image's start."""
        ...

    def write_memory(self, address: int, data: bytes) -> None:
        """Write bytes from a byte address on; what lies around them stays."""
        ...

    def wait(self, timeout: float) -> bool:
        """Wait for the interrupt, at most ``timeout`` seconds; return whether it came."""
        ...

    def close(self) -> None:
        """Give the accelerator back; calling it again does nothing."""
        ...
