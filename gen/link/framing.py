# SPDX-License-Identifier: Apache-2.0
"""Frames of the host link: SLIP (RFC 1055) around a checksum."""

import binascii

__all__ = ["FrameReader", "frame"]

_END, _ESCAPE = b"\xC0", b"\xDB"
_ESCAPED_END, _ESCAPED_ESCAPE = b"\xDB\xDC", b"\xDB\xDD"
_CHECKSUM = 4  # bytes


def frame(content: bytes) -> bytes:
    """Return the bytes on the line for a frame; its ends keep noise out of it."""
    body = content + _checksum(content)
    escaped = body.replace(_ESCAPE, _ESCAPED_ESCAPE).replace(_END, _ESCAPED_END)
    return _END + escaped + _END


class FrameReader:
    """Find the frames in what a line brings.

    Attributes
    ----------
    dropped : int
        Frames that were damaged.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._rest = b""

    def feed(self, line: bytes) -> list[bytes]:
        """Take bytes of the line; return the contents of the frames that they complete."""
        *bodies, self._rest = (self._rest + line).split(_END)
        whole = []
        for escaped in filter(None, bodies):
            body = escaped.replace(_ESCAPED_END, _END).replace(_ESCAPED_ESCAPE, _ESCAPE)
            content, checksum = body[:-_CHECKSUM], body[-_CHECKSUM:]
            if content and checksum == _checksum(content):
                whole.append(content)
            else:
                self.dropped += 1
        return whole


def _checksum(content: bytes) -> bytes:
    return binascii.crc32(content).to_bytes(_CHECKSUM, "little")
