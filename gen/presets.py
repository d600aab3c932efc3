# SPDX-License-Identifier: Apache-2.0
"""Named configurations: TOML files to `AcceleratorConfig`, with single fields overridden."""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..rtl.config import AcceleratorConfig, ConfigError

__all__ = ["DEFAULT_PRESET", "as_toml", "load_config", "preset_names"]

DEFAULT_PRESET = "loas"
_FOLDER = Path(__file__).parent / "presets"
_FIELDS = tuple(field.name for field in dataclasses.fields(AcceleratorConfig))


def preset_names() -> list[str]:
    """Return the names of the presets, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_config(preset: str = DEFAULT_PRESET, overrides: Iterable[str] = ()) -> AcceleratorConfig:
    """Return the configuration of a preset with some fields overridden.

    Parameters
    ----------
    preset : str
        Name of a preset, or path of a TOML file that ends in ``.toml``.
    overrides : Iterable[str]
        Texts ``field=value``.

    Raises
    ------
    ConfigError
        The preset is unknown or cannot be read, a field is unknown, or a value is illegal.
    """
    values = _read(preset)
    for text in overrides:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"an override must read field=value, not {text!r}")
        _check_field(name, "override")
        values[name] = _value(value)
    try:
        return AcceleratorConfig(**values)
    except ConfigError as error:
        raise ConfigError(f"preset {preset}: {error}") from None


def as_toml(config: AcceleratorConfig) -> str:
    """Return the text of a TOML file from which `load_config` makes ``config``."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in config.as_dict().items()]
    return "\n".join([f"# Configuration {config.hash()}", *lines, ""])


def _read(preset: str) -> dict[str, Any]:
    path = Path(preset) if preset.endswith(".toml") else _FOLDER / f"{preset}.toml"
    if path.parent == _FOLDER and preset not in preset_names():
        raise ConfigError(f"no preset {preset!r}{_suggestion(preset, preset_names())}; "
                          f"there are {', '.join(preset_names())}")
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"preset {preset}: {error}") from None
    for name in values:
        _check_field(name, f"preset {preset}")
    return values


def _check_field(name: str, place: str) -> None:
    if name not in _FIELDS:
        raise ConfigError(f"{place}: no field {name!r}{_suggestion(name, _FIELDS)}")


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _value(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text
