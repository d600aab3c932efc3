# SPDX-License-Identifier: Apache-2.0
"""Many stream payloads at once: numpy arrays to hexadecimal lines and back.

The fast counterpart of `payload`, for files that a free-running bench reads and writes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data

__all__ = ["read_log", "write_words"]


def write_words(path: Path, layout: data.StructLayout, fields: Mapping[str, Any]) -> int:
    """Write one payload a line; return their number.

    Parameters
    ----------
    fields : mapping of str to array
        For each field an array [n]; [n, length] for an array field, [n, width] of bool for a
        field given bit by bit; a mapping for a nested struct, for an array of structs of arrays
        [n, length]. Fields left out are zero.

    Raises
    ------
    ValueError
        A field is unknown or does not fit its shape.
    """
    bits = _to_bits(layout, fields)
    octets = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    digits = np.frombuffer(octets.tobytes().hex().encode(), np.uint8).reshape(
        len(octets), 2 * octets.shape[1])
    lines = np.concatenate([digits, np.full((len(octets), 1), ord("\n"), np.uint8)], axis=1)
    path.write_bytes(lines.tobytes())
    return len(octets)


def read_log(path: Path, layout: data.StructLayout,
             masks: tuple[str, ...] = ()) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Read lines of ``cycle payload``.

    Parameters
    ----------
    masks : tuple of str
        Fields to return bit by bit.

    Returns
    -------
    cycles : int64[n]
    fields : dict of str to array
        int64[n]; int64[n, length] for an array field; bool[n, width] for one of ``masks``.
    """
    tokens = path.read_text().split()
    cycles = np.array(tokens[::2], np.int64)
    digits = -(-layout.size // 4)
    odd = "0" * (digits % 2)
    octets = np.frombuffer(bytes.fromhex("".join(odd + token for token in tokens[1::2])), np.uint8)
    octets = octets.reshape(len(cycles), (digits + 1) // 2)[:, ::-1]
    bits = np.unpackbits(octets, axis=1, bitorder="little")
    fields = {}
    for name, field in layout:
        part = bits[:, field.offset:field.offset + field.width]
        fields[name] = part.astype(bool) if name in masks else _from_bits(field.shape, part)
    return cycles, fields


def _to_bits(shape: Any, values: Any) -> np.ndarray:
    """Return uint8[n, width] of zeros and ones."""
    if isinstance(shape, data.StructLayout):
        members = dict(shape)
        unknown = [name for name in values if name not in members]
        if unknown:
            raise ValueError(f"field must be one of {', '.join(members)}, not {unknown[0]}")
        parts = {name: _to_bits(members[name].shape, value) for name, value in values.items()}
        count = len(next(iter(parts.values())))
        bits = np.zeros((count, shape.size), np.uint8)
        for name, part in parts.items():
            bits[:, members[name].offset:members[name].offset + members[name].width] = part
        return bits
    if isinstance(shape, data.ArrayLayout):
        flat = ({name: np.reshape(value, -1) for name, value in values.items()}
                if isinstance(values, Mapping) else np.reshape(values, -1))
        return _to_bits(shape.elem_shape, flat).reshape(-1, shape.size)
    values = np.asarray(values)
    plain = Shape.cast(shape)
    if values.ndim == 2:
        if values.shape[1] != plain.width:
            raise ValueError(f"bits must be {plain.width} a word, not {values.shape[1]}")
        return values.astype(np.uint8)
    low = -(1 << (plain.width - 1)) if plain.signed else 0
    high = low + (1 << plain.width) - 1
    values = values.astype(np.int64)
    if values.size and not low <= values.min() <= values.max() <= high:
        raise ValueError(f"values must be in {low}..{high}, not {values.min()}..{values.max()}")
    return (values[:, None] >> np.arange(plain.width) & 1).astype(np.uint8)


def _from_bits(shape: Any, bits: np.ndarray) -> np.ndarray:
    """Return the values that the bits uint8[n, width] stand for."""
    if isinstance(shape, data.ArrayLayout):
        flat = bits.reshape(len(bits) * shape.length, bits.shape[1] // shape.length)
        return _from_bits(shape.elem_shape, flat).reshape(len(bits), shape.length)
    plain = Shape.cast(shape)
    values = bits.astype(np.int64) @ (np.int64(1) << np.arange(plain.width, dtype=np.int64))
    if plain.signed and plain.width:
        values -= bits[:, -1].astype(np.int64) << plain.width
    return values
