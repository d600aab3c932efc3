# SPDX-License-Identifier: Apache-2.0
"""Golden SLIP: frames in a stream of bytes (RFC 1055)."""

from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["END_TOKEN", "decode", "encode"]

END_TOKEN = None  # in a sequence of tokens: the end of a frame; the others are bytes
_END, _ESCAPE = 0xC0, 0xDB
_ESCAPED = {0xDC: _END, 0xDD: _ESCAPE}
_ESCAPES = {byte: bytes([_ESCAPE, second]) for second, byte in _ESCAPED.items()}


def encode(tokens: Iterable[Any]) -> bytes:
    """Return the bytes on the line for bytes of frames and their ends."""
    return b"".join(bytes([_END]) if token is END_TOKEN else
                    _ESCAPES.get(token, bytes([token])) for token in tokens)


def decode(line: Iterable[int]) -> Iterator[Any]:
    """Yield the bytes of frames, and `END_TOKEN` for their ends.

    A byte escaped for no reason stays as it is.
    """
    escaped = False
    for byte in line:
        if byte == _ESCAPE and not escaped:
            escaped = True
            continue
        if byte == _END:
            yield END_TOKEN
        else:
            yield _ESCAPED.get(byte, byte) if escaped else byte
        escaped = False
