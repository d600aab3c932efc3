# SPDX-License-Identifier: Apache-2.0
"""Checks that every configuration makes of its fields."""

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["ConfigError", "check_limits", "check_name", "check_powers_of_two"]


class ConfigError(ValueError):
    """A configuration that cannot be built; the message names field, value and limit."""


def check_limits(config: Any, limits: Mapping[str, tuple[int, int]]) -> None:
    """Raise `ConfigError` unless each field named is an int between its limits, both included."""
    for name, (low, high) in limits.items():
        value = getattr(config, name)
        if type(value) is not int or not low <= value <= high:
            raise ConfigError(f"{name} must be an int in {low}..{high}, not {value!r}")


def check_name(config: Any, field: str, names: Iterable[str]) -> None:
    """Raise `ConfigError` unless the field is one of ``names``."""
    names, value = list(names), getattr(config, field)
    if value not in names:
        raise ConfigError(f"{field} must be one of {', '.join(names)}, not {value!r}")


def check_powers_of_two(config: Any, fields: Iterable[str]) -> None:
    """Raise `ConfigError` unless each of the fields is a power of two."""
    for name in fields:
        value = getattr(config, name)
        if value & (value - 1):
            raise ConfigError(f"{name} must be a power of two, not {value}")
