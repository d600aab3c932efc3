# SPDX-License-Identifier: Apache-2.0
"""Requests to a host link, good and bad, and a serial line that damages what it carries."""

import random

from ..models.golden.host_link import request_frame
from ..models.golden.slip import END_TOKEN, encode
from ..rtl.config import LinkConfig

__all__ = ["LINE_ERRORS", "Registers", "damaged", "random_line", "random_request"]

LINE_ERRORS = ("dropped", "flipped", "repeated", "inserted")
_STREAM, _REFUSED = 0x044, 0x048  # a register that a read moves on, and one that is none
_OFFSETS = (0x000, _STREAM, _STREAM, _REFUSED, 0x100, 0xFF8, 0xFFC, 0x1000, 0x1004, 0x1008, 0x2000,
            0xFFFC, 0x01D8, 0xDBC0)


class Registers:
    """Registers whose every access leaves a trace, so that one made twice is seen.

    Attributes
    ----------
    log : list of tuple
        Each access: offset, and the value of a write.
    """

    def __init__(self) -> None:
        self.log: list[tuple[int, ...]] = []
        self._values: dict[int, int] = {}

    def read(self, offset: int) -> int | None:
        """Return a register; what it holds changes with each access."""
        self.log.append((offset,))
        if offset & ~3 == _REFUSED:
            return None
        return (self._values.get(offset & ~3, 0xC0DBDCDD) + 0x01000193 * len(self.log)) % 2**32

    def write(self, offset: int, value: int) -> tuple[()] | None:
        """Write a register."""
        self.log.append((offset, value))
        self._values[offset & ~3] = value
        return None if offset & ~3 == _REFUSED else ()


def random_request(rng: random.Random, config: LinkConfig, sequence: int) -> bytes:
    """Return a request, in some of ten cases one that is to be refused."""
    command = rng.choice([*range(4), *range(4), rng.randrange(256)])
    count = rng.choice([1, config.words, *[rng.randint(1, config.words)] * 6, rng.randrange(256)])
    words = count if count <= config.words else rng.randint(0, config.words)
    payload = bytes(rng.choice([0xC0, 0xDB, 0xDC, 0xDD, rng.randrange(256)])
                    for _ in range(4 * words)) if command & 1 else b""
    if rng.random() < 0.05:
        payload = payload[:-1] if payload else b"\0"
    return request_frame(sequence, command, rng.choice(_OFFSETS), count, payload)


def damaged(rng: random.Random, data: bytes, share: float) -> tuple[bytes, dict[str, int]]:
    """Return what a bad line makes of ``data``, and how often it made each of `LINE_ERRORS`."""
    out = bytearray()
    errors: dict[str, int] = {name: 0 for name in LINE_ERRORS}
    for byte in data:
        if rng.random() >= share:
            out.append(byte)
            continue
        kind = rng.choice(LINE_ERRORS)
        errors[kind] += 1
        out += bytes({"dropped": [], "flipped": [byte ^ 1 << rng.randrange(8)],
                      "repeated": [byte, byte], "inserted": [rng.randrange(256), byte]}[kind])
    return bytes(out), errors


def random_line(rng: random.Random, config: LinkConfig, requests: int, share: float) -> bytes:
    """Return many requests in turn, some made again, with garbage and damage among them."""
    line = b""
    sequence, request = 0, b""
    for _ in range(requests):
        if not request or rng.random() < 0.7:
            sequence = rng.choice([0, sequence % 255 + 1, sequence % 255 + 1])
            request = random_request(rng, config, sequence)
        if rng.random() < 0.2:
            line += damaged(rng, request, 1.5 / len(request))[0]
        line += request
        if rng.random() < 0.1:
            garbage = rng.randbytes(rng.choice([1, 8, 9, config.request_bytes,
                                                config.request_bytes + 1, 600]))
            line += garbage + encode([END_TOKEN])
    return damaged(rng, line, share)[0]
