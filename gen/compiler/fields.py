# SPDX-License-Identifier: Apache-2.0
"""Values to the bits of a hardware layout."""

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data

from .errors import CompileError

__all__ = ["pack_fields"]


def pack_fields(layout: Any, value: Any, layer: str, name: str = "descriptor",
                limits: Mapping[str, int] | None = None) -> int:
    """Return ``value`` as the unsigned integer that stands for it in memory.

    Parameters
    ----------
    layout : ShapeLike
        Layout or plain shape.
    value : Mapping, sequence or int
        A mapping for a struct, a sequence for an array, an int or enumeration for the rest.
        What a mapping lacks, or a sequence at its end, is zero.
    layer : str
        For errors.
    name : str
        For errors.
    limits : Mapping or None
        Greatest values of some fields, by the last part of their names.

    Raises
    ------
    CompileError
        A number does not fit its field.
    KeyError
        A field is unknown.
    """
    if isinstance(layout, data.StructLayout):
        assert isinstance(value, Mapping), name
        return sum(pack_fields(layout[key].shape, item, layer, f"{name}.{key}", limits)
                   << layout[key].offset for key, item in value.items())
    if isinstance(layout, data.ArrayLayout):
        assert len(value) <= layout.length, name
        return sum(pack_fields(layout.elem_shape, item, layer, f"{name}[{index}]", limits)
                   << layout[index].offset for index, item in enumerate(value))
    shape = Shape.cast(layout)
    number = int(getattr(value, "value", value))
    low = -(1 << (shape.width - 1)) if shape.signed else 0
    high = low + (1 << shape.width) - 1
    high = min(high, (limits or {}).get(name.rpartition(".")[2].partition("[")[0], high))
    if not low <= number <= high:
        raise CompileError(layer, name, f"in {low}..{high}", number,
                           "the layer or its maps are too large for the descriptor")
    return number & ((1 << shape.width) - 1)
