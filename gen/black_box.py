# SPDX-License-Identifier: Apache-2.0
"""Stubs in Verilog: the ports of a unit that another design may replace, and what it must keep."""

import inspect
import textwrap
from typing import Any

from amaranth.lib import wiring

__all__ = ["black_box", "guarded", "is_replaceable"]

_WIDTH = 97  # of a line of comment


def is_replaceable(component: wiring.Component) -> bool:
    """Return whether another design may take the place of ``component``."""
    return getattr(component, "replaceable", False)


def guarded(name: str, verilog: str) -> str:
    """Return the Verilog of module ``name``, left out where the macro EXTERNAL_NAME is defined."""
    return f"`ifndef EXTERNAL_{name.upper()}\n{verilog}`endif\n"


def black_box(component: wiring.Component, description: dict[str, Any]) -> str:
    """Return a module without a body, with the component's contract as a comment.

    Parameters
    ----------
    component : wiring.Component
    description : dict
        As in the JSON of the unit.
    """
    name, ports = description["unit"], description["ports"]
    contract = (inspect.getdoc(component) or "").split("\nParameters\n")[0].strip()
    fields = ", ".join(f"{key} = {value}" for key, value in description["config"].items())
    use = (f"Units that hold this one have a module {name} of their own; where "
           f"EXTERNAL_{name.upper()} is defined it is left out.")
    head = [
        f"Spikeloom {description['version']}, unit {name}, black box",
        f"SPDX-License-Identifier: {description['licence']}",
        "", *contract.splitlines(),
        "", *textwrap.wrap(f"Configuration: {fields}.", _WIDTH),
        "", *textwrap.wrap(use, _WIDTH),
    ]
    return "\n".join([
        *(f"// {line}".rstrip() for line in head),
        "(* blackbox *)",
        f"module {name}({', '.join(port['name'] for port in ports)});",
        *(line for port in ports for line in _declared(port)),
        "endmodule", ""])


def _declared(port: dict[str, Any]) -> list[str]:
    size = f"[{port['width'] - 1}:0] " if port["width"] > 1 else ""
    return [f"  // {port['meaning']}", *(
        f"  //   [{item['offset'] + item['width'] - 1}:{item['offset']}] {item['name']}: "
        f"{item['meaning']}" for item in port.get("fields", [])),
        f"  {port['direction']} {size}{port['name']};"]
