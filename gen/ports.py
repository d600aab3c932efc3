# SPDX-License-Identifier: Apache-2.0
"""The ports of a unit as they appear in its Verilog, with sign and meaning, which Verilog lacks."""

import enum
import re
import sys
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from .docstring import layout_function, members

__all__ = ["describe_ports"]

_CLOCKING = {
    "clk": "Clock; registers change at its rising edge.",
    "rst": "Synchronous reset, active high.",
}
_HANDSHAKE = {
    "valid": "High while a payload is offered.",
    "ready": "High when an offered payload is taken at the next clock edge.",
}


def describe_ports(component: wiring.Component) -> list[dict[str, Any]]:
    """Return name, direction, width, signedness and meaning of each port.

    A struct adds ``fields``, an array ``count`` and ``element``, an enumeration ``values``.
    ``offset`` is the place of a field's lowest bit in the port; that of an element holds for
    the first one.
    """
    namespace = vars(sys.modules[type(component).__module__])
    texts = members(type(component))
    ports = [{"name": name, "direction": "input", "width": 1, "signed": False, "meaning": meaning}
             for name, meaning in _CLOCKING.items()]
    for path, member, _ in component.signature.flatten(component):
        top, *rest = map(str, path)
        shape_text, shape_names = _place(texts[top].shape, rest, namespace)
        ports.append({
            "name": "__".join([top, *rest]),
            "direction": "input" if member.flow == In else "output",
            **_describe(member.shape, shape_text, shape_names, 0),
            "meaning": _meaning(texts[top].meaning, rest, component.signature.members[top]),
        })
    return ports


def _place(text: str, rest: list[str],
           namespace: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return where the shape of port ``rest`` is documented: with the member, or its signature."""
    called = re.match(r"\w+\((\w+)\(", text)
    signature = namespace.get(called[1]) if called and rest else None
    inner = members(signature) if isinstance(signature, type) else {}
    if rest and rest[0] in inner:
        return inner[rest[0]].shape, vars(sys.modules[signature.__module__])
    return text, namespace


def _meaning(text: str, rest: list[str], member: wiring.Member) -> str:
    """Return the meaning of port ``rest`` of the member that ``text`` explains."""
    if not rest:
        return text
    if _HANDSHAKE.keys() <= set(member.signature.members):  # a stream
        return _HANDSHAKE.get(rest[0], text)
    return f"{text} ({', '.join(rest)})"


def _describe(shape: Any, text: str, namespace: dict[str, Any], offset: int) -> dict[str, Any]:
    """Return width and signedness of ``shape`` and what it is made of.

    ``text`` is the shape as documented: if it calls a layout function, that one's docstring
    explains the fields.
    """
    plain = Shape.cast(shape)
    found: dict[str, Any] = {"width": plain.width, "signed": plain.signed}
    function = layout_function(text, namespace)
    inner = function.__globals__ if function else namespace
    texts = members(function) if function else {}
    if isinstance(shape, data.StructLayout):
        found["fields"] = [{
            "name": name,
            "offset": offset + field.offset,
            **_describe(field.shape, texts[name].shape if name in texts else "", inner,
                        offset + field.offset),
            "meaning": texts[name].meaning if name in texts else "",
        } for name, field in shape]
    elif isinstance(shape, data.ArrayLayout):
        found["count"] = shape.length
        found["element"] = _describe(shape.elem_shape, "", inner, offset)
    elif isinstance(shape, type) and issubclass(shape, enum.Enum):
        found["values"] = {item.name.lower(): item.value for item in shape}
    return found
