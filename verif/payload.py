# SPDX-License-Identifier: Apache-2.0
"""Stream payloads as Python values: dicts, lists and ints to packed integers and back.

A port of a struct is one packed vector in the Verilog, its first field in the lowest bits.
"""

from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data

__all__ = ["PayloadError", "pack", "unpack", "width"]


class PayloadError(ValueError):
    """A value that does not fit its layout; the message names the field."""


def width(shape: Any) -> int:
    """Return the bits of ``shape``."""
    return Shape.cast(shape).width


def pack(shape: Any, value: Any, name: str = "payload") -> int:
    """Return ``value`` as the unsigned integer that the port carries.

    Parameters
    ----------
    shape : ShapeLike
        Layout or plain shape.
    value : dict, list or int
        A dict for a struct, a list (or tuple) for an array, an int for anything else.
    name : str
        What to call the value in an error.

    Raises
    ------
    PayloadError
        A field is missing, unknown or out of the range of its shape.
    """
    if isinstance(shape, data.ArrayLayout):
        if not isinstance(value, list | tuple) or len(value) != shape.length:
            raise PayloadError(f"{name} must be a list of {shape.length}, not {value!r}")
        step = width(shape.elem_shape)
        return sum(pack(shape.elem_shape, item, f"{name}[{index}]") << (index * step)
                   for index, item in enumerate(value))
    if isinstance(shape, data.StructLayout):
        members = dict(shape)
        if not isinstance(value, dict) or value.keys() != members.keys():
            raise PayloadError(f"{name} must have the fields {', '.join(members)}, not {value!r}")
        return sum(pack(field.shape, value[key], f"{name}.{key}") << field.offset
                   for key, field in members.items())
    plain = Shape.cast(shape)
    low = -(1 << (plain.width - 1)) if plain.signed else 0
    high = low + (1 << plain.width) - 1
    if not low <= int(value) <= high:
        raise PayloadError(f"{name} must be in {low}..{high}, not {value}")
    return int(value) & ((1 << plain.width) - 1)


def unpack(shape: Any, bits: int) -> Any:
    """Return the value that `pack` packed into ``bits``.

    Parameters
    ----------
    shape : ShapeLike
        Layout or plain shape.
    bits : int
        What the port carries, not negative.
    """
    if isinstance(shape, data.ArrayLayout):
        step = width(shape.elem_shape)
        return [unpack(shape.elem_shape, bits >> (index * step)) for index in range(shape.length)]
    if isinstance(shape, data.StructLayout):
        return {key: unpack(field.shape, bits >> field.offset) for key, field in shape}
    plain = Shape.cast(shape)
    bits &= (1 << plain.width) - 1
    return bits - (1 << plain.width) if plain.signed and bits >> (plain.width - 1) else bits
