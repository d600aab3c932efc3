# SPDX-License-Identifier: Apache-2.0
"""What docstrings of components and layouts promise, read back for the JSON beside the Verilog."""

import inspect
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["MemberText", "contract", "layout_function", "members", "summary"]

_TERMS = ("Latency", "Throughput", "Back-pressure", "Reset")


@dataclass(frozen=True)
class MemberText:
    """One entry of a ``Members`` section."""

    shape: str
    meaning: str


def summary(documented: Any) -> str:
    """Return the first sentence of a docstring, without its full stop."""
    return _joined(_text(documented).split("\n\n")[0]).removesuffix(".")


def contract(documented: Any) -> dict[str, str]:
    """Return what the docstring states of latency, throughput, back-pressure and reset.

    The keys are ``latency``, ``throughput``, ``back_pressure`` and ``reset``; a text runs from
    the term and its colon to the next term or the end of the paragraph.
    """
    found = {}
    for paragraph in _text(documented).split("\n\n"):
        parts = re.split(rf"\b({'|'.join(_TERMS)}):", paragraph)
        for term, text in zip(parts[1::2], parts[2::2], strict=True):
            found[term.lower().replace("-", "_")] = _joined(text)
    return found


def members(documented: Any) -> dict[str, MemberText]:
    """Return the entries ``name : shape`` of the ``Members`` section, in their order."""
    section = re.search(r"^Members\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", _text(documented),
                        re.MULTILINE | re.DOTALL)
    if not section:
        return {}
    entries = re.split(r"^(\w+) : (.*)$", section[1], flags=re.MULTILINE)
    return {name: MemberText(shape.strip(), _joined(meaning))
            for name, shape, meaning in zip(entries[1::3], entries[2::3], entries[3::3],
                                            strict=True)}


def layout_function(shape: str, namespace: dict[str, Any]) -> Any:
    """Return the function ``..._layout`` that a documented shape calls; None if it calls none."""
    call = re.search(r"\b(\w+_layout)\(", shape)
    return namespace.get(call[1]) if call else None


def _text(documented: Any) -> str:
    return inspect.getdoc(documented) or ""


def _joined(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")
