# SPDX-License-Identifier: Apache-2.0
"""Golden host link: requests of a host to accesses of registers, each made once."""

import binascii
from typing import Any, Protocol

from ...rtl.config import LinkConfig
from .slip import END_TOKEN, decode, encode

__all__ = ["Bus", "HostLink", "request_frame"]

_OK, _BAD_REQUEST, _BUS_ERROR = range(3)
_VERSION = 1
_OWN = 0x1000  # offset of the link's own registers


def request_frame(sequence: int, command: int, offset: int, count: int,
                  payload: bytes = b"") -> bytes:
    """Return a request on the line, of whatever is given."""
    content = bytes([sequence, command, offset & 255, offset >> 8, count]) + payload
    return encode([END_TOKEN, *content, *_checksum(content), END_TOKEN])


class Bus(Protocol):
    """Registers, such as those of `models.golden.csr.RegisterFile`."""

    def read(self, offset: int) -> int | None:
        """Return a register, None if that is refused."""
        ...

    def write(self, offset: int, value: int) -> Any:
        """Write a register; None means that it is refused."""
        ...


class HostLink:
    """Carry out what a host asks for, and answer.

    Parameters
    ----------
    config : LinkConfig
    bus : Bus

    Attributes
    ----------
    dropped, repeated : int
        Frames that were damaged, and requests that were answered once more; modulo 2**16.
    """

    def __init__(self, config: LinkConfig, bus: Bus):
        self.config, self.bus = config, bus
        self.dropped, self.repeated = 0, 0
        self._line = b""               # since the last end of a frame
        self._last, self._answer = 0, (_OK, b"")

    def feed(self, line: bytes) -> bytes:
        """Take bytes of the line; return those that it sends for them.

        What comes while it works on a request waits.
        """
        *frames, self._line = (self._line + line).split(encode([END_TOKEN]))
        return b"".join(
            self._judge(bytes(token for token in decode(frame) if token is not END_TOKEN))
            for frame in frames)

    def _judge(self, frame: bytes) -> bytes:
        """Return the response to a frame, nothing if it is damaged."""
        if not frame:
            return b""
        content, checksum = frame[:-4], frame[-4:]
        if (not 9 <= len(frame) <= self.config.request_bytes
                or checksum != _checksum(content)):
            self.dropped = (self.dropped + 1) % 65536
            return b""
        sequence = content[0]
        if sequence and sequence == self._last:
            self.repeated = (self.repeated + 1) % 65536
        else:
            self._answer = self._carry_out(content)
        self._last = sequence
        status, words = self._answer
        response = bytes([sequence, status]) + words
        return encode([END_TOKEN, *response, *_checksum(response), END_TOKEN])

    def _carry_out(self, content: bytes) -> tuple[int, bytes]:
        """Return status and words of the response to a request."""
        command, offset, count = content[1], int.from_bytes(content[2:4], "little"), content[4]
        payload = content[5:]
        writes, moves = bool(command & 1), bool(command & 2)
        if (command > 3 or not 1 <= count <= self.config.words
                or len(payload) != (4 * count if writes else 0)):
            return _BAD_REQUEST, b""
        words = b""
        for index in range(count):
            if writes:
                value = int.from_bytes(payload[4 * index:4 * index + 4], "little")
                if offset >= _OWN or self.bus.write(offset, value) is None:
                    return _BUS_ERROR, b""
            else:
                found = self._read(offset)
                if found is None:
                    return _BUS_ERROR, b""
                words += found.to_bytes(4, "little")
            offset = (offset + 4 * moves) % 65536
        return _OK, words

    def _read(self, offset: int) -> int | None:
        if offset < _OWN:
            return self.bus.read(offset)
        return {_OWN >> 2: self.dropped | self.repeated << 16,
                (_OWN >> 2) + 1: self.config.words | _VERSION << 8}.get(offset >> 2)


def _checksum(content: bytes) -> bytes:
    return binascii.crc32(content).to_bytes(4, "little")
