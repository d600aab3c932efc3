# SPDX-License-Identifier: Apache-2.0
"""From a configured unit to its Verilog and to the JSON that describes it."""

import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from amaranth.back.verilog import convert
from amaranth.lib import wiring

from ..rtl.config import Config
from .black_box import black_box, guarded, is_replaceable
from .docstring import contract, summary
from .files import write_whole
from .ports import describe_ports
from .units import unit_type

__all__ = ["Emitted", "emit", "shared_modules", "verilog_modules", "write_unit"]

_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Emitted:
    """One unit as Verilog, and what a user of it must know.

    Attributes
    ----------
    verilog : str
        Its top module has the name of the unit.
    description : dict
        ``unit``, ``version``, ``licence``, ``summary``, ``config`` (fields and hash), ``ports``
        (see `describe_ports`); as text ``latency``, ``throughput``, ``back_pressure``, ``reset``.
    black_boxes : dict of str to str
        By name the modules in it whose place another design may take, itself among them, with
        their ports alone.
    """

    verilog: str
    description: dict[str, Any]
    black_boxes: dict[str, str]


def emit(unit: str, config: Config) -> Emitted:
    """Return a unit in Verilog: for the same configuration the same text, always."""
    component: Any = unit_type(unit)(config)
    modules = {unit: component, **getattr(component, "shared", {})}
    return Emitted(_verilog(unit, component, config), _description(unit, component, config), {
        name: black_box(module, _description(name, module, module.config))
        for name, module in modules.items() if is_replaceable(module)})


def write_unit(unit: str, config: Config, folder: Path) -> list[Path]:
    """Write ``UNIT.v`` and ``UNIT.json`` to ``folder`` and return their paths.

    A module that another design may replace, the unit or one in it, has ``NAME_blackbox.v`` too.

    Raises
    ------
    OSError
        A file cannot be written.
    """
    emitted = emit(unit, config)
    texts = {
        folder / f"{unit}.v": emitted.verilog,
        folder / f"{unit}.json": json.dumps(emitted.description, indent=2) + "\n",
    }
    for name, text in emitted.black_boxes.items():
        texts[folder / f"{name}_blackbox.v"] = text
    for path, text in texts.items():
        write_whole(path, text)
    return list(texts)


def verilog_modules(name: str, component: wiring.Component) -> dict[str, str]:
    """Return a component and the modules that it instantiates, each as Verilog, by their names."""
    return {name: _module(name, component)} | shared_modules(component)


def shared_modules(component: wiring.Component) -> dict[str, str]:
    """Return the modules that a component instantiates, each as Verilog, by their names."""
    texts = {}
    for inner, module in getattr(component, "shared", {}).items():
        text = _module(inner, module)
        texts[inner] = guarded(inner, text) if is_replaceable(module) else text
    return texts


def _module(name: str, component: wiring.Component) -> str:
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"  # another Yosys writes other text
    return convert(component, name=name, emit_src=False, strip_internal_attrs=True)


def _verilog(unit: str, component: wiring.Component, config: Config) -> str:
    header = (f"// Spikeloom {version('spikeloom')}, unit {unit}, configuration {config.hash()}\n"
              f"// SPDX-License-Identifier: {_LICENCE}\n")
    return header + "\n".join(verilog_modules(unit, component).values())


def _description(unit: str, component: wiring.Component, config: Config) -> dict[str, Any]:
    return {
        "unit": unit,
        "version": version("spikeloom"),
        "licence": _LICENCE,
        "summary": summary(type(component)),
        "config": {"hash": config.hash(), **config.as_dict()},
        **contract(type(component)),
        "ports": describe_ports(component),
    }
