# SPDX-License-Identifier: Apache-2.0
"""Which system a configuration makes."""

from typing import Any

from ..rtl.config import (
    AcceleratorConfig,
    Config,
    ConfigError,
    CrossbarConfig,
    LinkConfig,
    TTFSConfig,
)
from .stream_systems import CrossbarSystem, TTFSSystem
from .system import System

__all__ = ["design_name", "make_system"]

_SYSTEMS: dict[type[Config], tuple[str, Any]] = {
    AcceleratorConfig: ("accelerator", System),
    CrossbarConfig: ("crossbar", CrossbarSystem),
    TTFSConfig: ("ttfs", TTFSSystem),
}


def design_name(config: Config) -> str:
    """Return the name of the design; raise `ConfigError` if there is none for a board."""
    if type(config) not in _SYSTEMS:
        raise ConfigError(f"there is no design for a board with {type(config).__name__}")
    if isinstance(config, AcceleratorConfig) and config.memory == "axi":
        raise ConfigError("memory must be on_chip for a board, not axi")
    return _SYSTEMS[type(config)][0]


def make_system(config: Config, link: LinkConfig) -> Any:
    """Return a system behind a serial line; raise `ConfigError` if there is none for a board."""
    design_name(config)
    return _SYSTEMS[type(config)][1](config, link)
