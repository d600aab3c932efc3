# SPDX-License-Identifier: Apache-2.0
"""Tables of a program image: header, channel records, results, profile, checksum."""

import struct
import zlib
from dataclasses import dataclass, fields

import numpy as np

from ...rtl.soc.header import FORMAT_VERSION, HEADER_WORDS, MAGIC
from ...rtl.soc.performance_counters import COUNTERS

__all__ = ["HEADER_BYTES", "PROFILE_BYTES", "Header", "channel_records",
           "padded", "result_bytes", "sealed", "unpack_profile", "unpack_result"]

HEADER_BYTES = 4 * HEADER_WORDS
PROFILE_BYTES = 64  # of one descriptor in one image


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first 64 bytes of a program image; addresses in words.

    Attributes
    ----------
    config_hash : str
        16 hexadecimal digits.
    program_words : int
        Of the part that the checksum covers.
    memory_words : int
        Of everything.
    writable_start : int
        The hardware writes from here on only.
    descriptors : int
        How many.
    descriptor_address, profile_address : int
    profile_image_pitch : int
        From the profile of one image to that of the next.
    """

    config_hash: str
    program_words: int
    memory_words: int
    writable_start: int
    descriptors: int
    descriptor_address: int
    profile_address: int
    profile_image_pitch: int

    def pack(self) -> bytes:
        """Return the header's bytes."""
        number = int(self.config_hash, 16)
        rest = [getattr(self, field.name) for field in fields(self)][1:]
        return struct.pack("<16I", MAGIC, FORMAT_VERSION, number & 0xFFFFFFFF, number >> 32,
                           *rest, *[0] * 5)

    @classmethod
    def unpack(cls, content: bytes) -> "Header":
        """Read a header; raise `ValueError`, naming the field, if it is none."""
        if len(content) < HEADER_BYTES:
            raise ValueError(f"header must have {HEADER_BYTES} bytes, not {len(content)}")
        magic, version, low, high, *rest = struct.unpack_from("<16I", content)
        if magic != MAGIC:
            raise ValueError(f"magic must be {MAGIC:#x}, not {magic:#x}")
        if version != FORMAT_VERSION:
            raise ValueError(f"format version must be {FORMAT_VERSION}, not {version}")
        names = [field.name for field in fields(cls)][1:]
        return cls(config_hash=f"{high << 32 | low:016x}",
                   **dict(zip(names, rest[:len(names)], strict=True)))


def channel_records(bias: np.ndarray, threshold: np.ndarray, multiplier: np.ndarray,
                    shift: np.ndarray) -> bytes:
    """Return 16 bytes for each output channel."""
    table = np.zeros(len(bias), dtype=[("bias", "<i4"), ("threshold", "<i4"),
                                       ("multiplier", "<u2"), ("shift", "u1"), ("rest", "u1", 5)])
    for name, column in (("bias", bias), ("threshold", threshold), ("multiplier", multiplier),
                         ("shift", shift)):
        table[name] = column
    return table.tobytes()


def padded(content: bytes, word_bytes: int) -> bytes:
    """Return ``content`` filled up to whole words."""
    return content + bytes(-len(content) % word_bytes)


def sealed(content: bytes, word_bytes: int) -> bytes:
    """Return the program part: ``content`` in whole words with the CRC-32 as its last 4 bytes."""
    body = content + bytes(-(len(content) + 4) % word_bytes)
    return body + struct.pack("<I", zlib.crc32(body))


def result_bytes(columns: int) -> int:
    """Return the bytes of a result record, without those that fill its last word."""
    return 4 * (columns + 1)


def unpack_result(content: bytes, columns: int) -> tuple[np.ndarray, int]:
    """Return the logits, int64, and the index of the largest."""
    logits = np.frombuffer(content, dtype="<i4", count=columns).astype(np.int64)
    return logits, int.from_bytes(content[4 * columns:4 * columns + 4], "little")


def unpack_profile(content: bytes) -> dict[str, int]:
    """Return the counters of one descriptor in one image."""
    return dict(zip(COUNTERS, struct.unpack_from(f"<{len(COUNTERS)}I", content), strict=True))
