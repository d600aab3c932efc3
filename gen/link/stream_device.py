# SPDX-License-Identifier: Apache-2.0
"""A core of streams on a board: give it payloads, take those it gives."""

import time
from collections.abc import Sequence

from ..session.transport import TransportError
from .serial_transport import SerialTransport

__all__ = ["HASH", "IDENTITY", "POPS", "PUSHES", "STATUS", "STREAM_IDENTITY", "WORD_BITS",
           "StreamDevice"]

STREAM_IDENTITY = 0x53504B53  # "SPKS"
IDENTITY, HASH, STATUS = 0x000, 0x008, 0x010  # offsets of registers
PUSHES, POPS = 0x100, 0x200   # those of the streams, 16 bytes each
WORD_BITS = 32
_FRAME_BITS = WORD_BITS + 1  # a word of a frame, and whether it is the last one


class StreamDevice:
    """A `fpga.StreamWindow` behind a transport.

    Parameters
    ----------
    transport : SerialTransport
    config_hash : str
        16 digits, that of the configuration that the core must have.
    timeout : float
        Seconds that a stream may keep waiting.

    Raises
    ------
    TransportError
        There is none, or one with another configuration.
    """

    def __init__(self, transport: SerialTransport, config_hash: str, timeout: float = 10.0):
        self._transport, self._timeout = transport, timeout
        identity = transport.read_register(IDENTITY)
        if identity != STREAM_IDENTITY:
            raise TransportError(f"identity must be {STREAM_IDENTITY:#010x}, not {identity:#010x}: "
                                 "no core of streams answers")
        found = transport.read_register(HASH) | transport.read_register(HASH + 4) << WORD_BITS
        if f"{found:016x}" != config_hash:
            raise TransportError(f"configuration hash must be {config_hash}, not {found:016x}")

    def push(self, stream: int, payload: int, bits: int) -> None:
        """Give a payload of so many bits to a stream, as soon as it takes one."""
        self._wait(stream, f"stream {stream} takes no payload")
        self._transport.write_registers(PUSHES + 16 * stream, _words(payload, bits))

    def pop(self, stream: int, bits: int) -> int:
        """Take a payload of so many bits from a stream, as soon as it has one."""
        self._wait(16 + stream, f"stream {stream} gives no payload")
        return self._pop(stream, bits, 1)[0]

    def send_frame(self, words: Sequence[int], stream: int = 0) -> None:
        """Give words of 32 bits as one frame, of which the last is marked.

        The core must take words faster than the line brings them.
        """
        marked = [*words[:-1], words[-1] | 1 << WORD_BITS]
        self._wait(stream, f"stream {stream} takes no payload")
        self._transport.write_registers(PUSHES + 16 * stream, [
            word for payload in marked for word in _words(payload, _FRAME_BITS)])

    def receive_frame(self, count: int, stream: int = 0) -> list[int]:
        """Take the words of a frame, ``count`` or one."""
        found = [self.pop(stream, _FRAME_BITS)]
        if not found[0] >> WORD_BITS:
            found += self._pop(stream, _FRAME_BITS, count - 1)
        if [word >> WORD_BITS for word in found] != [0] * (len(found) - 1) + [1]:
            raise TransportError(f"stream {stream}: a frame must have {count} words")
        return [word & 0xFFFFFFFF for word in found]

    def _pop(self, stream: int, bits: int, count: int) -> list[int]:
        """Take payloads that are there."""
        size = -(-bits // WORD_BITS)
        words = self._transport.read_registers(POPS + 16 * stream, count * size)
        return [sum(word << place * WORD_BITS
                    for place, word in enumerate(words[first:first + size]))
                for first in range(0, len(words), size)]

    def _wait(self, bit: int, problem: str) -> None:
        end = time.monotonic() + self._timeout
        while not self._transport.read_register(STATUS) >> bit & 1:
            if time.monotonic() > end:
                raise TransportError(f"{problem} in {self._timeout} s")


def _words(payload: int, bits: int) -> list[int]:
    """Return a payload in words, the lowest first."""
    return [payload >> place & 0xFFFFFFFF for place in range(0, bits, WORD_BITS)]
