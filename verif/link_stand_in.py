# SPDX-License-Identifier: Apache-2.0
"""A board without hardware: the golden host link in front of the reference machine."""

import random
from collections import Counter

from ..models.golden.host_link import HostLink
from ..rtl.config import AcceleratorConfig, LinkConfig
from ..rtl.soc.register_map import register_map
from .link_traffic import damaged
from .reference_transport import ReferenceTransport

__all__ = ["NoisyPort", "ReferencePort"]

_WORD = 4  # bytes


class _Registers:
    """The registers of a `ReferenceTransport`, with the window to its memory."""

    def __init__(self, transport: ReferenceTransport):
        self._transport = transport
        self._names = {item.offset: item.name for item in register_map(transport.config).registers}
        self._next = 0  # word of the memory

    def read(self, offset: int) -> int | None:
        """Return a register, None if there is none."""
        name = self._names.get(offset)
        if name == "memory_data":
            content = self._transport.read_memory(self._next * _WORD, _WORD)
            self._next += 1
            return int.from_bytes(content, "little")
        return None if name is None else self._transport.read_register(offset)

    def write(self, offset: int, value: int) -> tuple[()] | None:
        """Write a register; return None if there is none."""
        name = self._names.get(offset)
        if name is None:
            return None
        if name == "memory_data":
            self._transport.write_memory(self._next * _WORD, value.to_bytes(_WORD, "little"))
            self._next += 1
        elif name == "memory_address":
            self._next = value
        else:
            self._transport.write_register(offset, value)
        return ()


class ReferencePort:
    """The serial line of a board that is none; a read without an answer ends at once.

    Parameters
    ----------
    config : AcceleratorConfig
    link : LinkConfig

    Attributes
    ----------
    link : HostLink
    transport : ReferenceTransport
    """

    timeout: float | None = None

    def __init__(self, config: AcceleratorConfig, link: LinkConfig):
        self.transport = ReferenceTransport(config)
        self.link = HostLink(link, _Registers(self.transport))
        self.closed = False
        self._waiting = b""

    def read(self, size: int = 1) -> bytes:
        """Return at most ``size`` bytes."""
        found, self._waiting = self._waiting[:size], self._waiting[size:]
        return found

    def write(self, data: bytes) -> int:
        """Send bytes."""
        self._waiting += self.link.feed(data)
        return len(data)

    def close(self) -> None:
        """Remember that it was called."""
        self.closed = True


class NoisyPort:
    """A serial line that damages what goes both ways.

    Parameters
    ----------
    port : gen.link.host.Port
        The line itself.
    rng : random.Random
    share : float
        Of the bytes that are damaged.

    Attributes
    ----------
    errors : Counter of str
        How often each of `link_traffic.LINE_ERRORS` was made.
    """

    def __init__(self, port, rng: random.Random, share: float):
        self.errors: Counter[str] = Counter()
        self._port, self._rng, self._share = port, rng, share

    @property
    def timeout(self) -> float | None:
        """Seconds that a read may take."""
        return self._port.timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._port.timeout = seconds

    def read(self, size: int = 1) -> bytes:
        """Return about ``size`` bytes, fewer after ``timeout``."""
        while data := self._port.read(size):
            if found := self._damaged(data):
                return found
        return b""

    def write(self, data: bytes) -> int:
        """Send bytes."""
        return self._port.write(self._damaged(data))

    def close(self) -> None:
        """Give the line back."""
        self._port.close()

    def _damaged(self, data: bytes) -> bytes:
        found, errors = damaged(self._rng, data, self._share)
        self.errors.update(errors)
        return found
