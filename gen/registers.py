# SPDX-License-Identifier: Apache-2.0
"""The register map for software: Python, C, SystemRDL and a page to read."""

from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from ..rtl.config import AcceleratorConfig
from ..rtl.soc.register_map import ERROR_MEANINGS, ErrorCode, register_map
from .files import write_whole

__all__ = ["REGISTER_FILES", "render_registers", "write_registers"]

REGISTER_FILES = ("regs.py", "regs.h", "registers.rdl", "registers.html")
_LICENCE = "Apache-2.0"
_MOVING = ("memory_address", "memory_data")  # registers that hardware changes as well


def render_registers(config: AcceleratorConfig) -> dict[str, str]:
    """Return the text of each of `REGISTER_FILES`: for the same configuration the same, always."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), undefined=StrictUndefined,
        autoescape=select_autoescape(["html.j2"]), keep_trailing_newline=True)
    values = {
        "licence": _LICENCE,
        "version": version("spikeloom"),
        "hash": config.hash(),
        "registers": register_map(config).registers,
        "errors": list(ERROR_MEANINGS.items()),
        "error_names": tuple(code.name.lower() for code in ErrorCode),
        "moving": _MOVING,
    }
    return {name: environment.get_template(f"{name}.j2").render(values).rstrip("\n") + "\n"
            for name in REGISTER_FILES}


def write_registers(config: AcceleratorConfig, folder: Path) -> list[Path]:
    """Write `REGISTER_FILES` to ``folder`` and return their paths.

    Raises
    ------
    OSError
        A file cannot be written.
    """
    texts = {folder / name: text for name, text in render_registers(config).items()}
    for path, text in texts.items():
        write_whole(path, text)
    return list(texts)
