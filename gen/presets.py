# SPDX-License-Identifier: Apache-2.0
"""Named configurations: TOML files to the parameters of hardware, single fields overridden.

The key ``family`` tells which kind of hardware a file is for, see ``units.FAMILIES``; without it
that is the accelerator.
"""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..rtl.config import AcceleratorConfig, Config, ConfigError
from .units import FAMILIES

__all__ = ["DEFAULT_PRESET", "as_toml", "load_config", "load_unit_config", "preset_names"]

DEFAULT_PRESET = "loas"
_FOLDER = Path(__file__).parent / "presets"
_FAMILY, _DEFAULT_FAMILY = "family", "accelerator"


def preset_names(family: str | None = None) -> list[str]:
    """Return the names of the presets, those of a family or all, sorted."""
    names = sorted(path.stem for path in _FOLDER.glob("*.toml"))
    return [name for name in names
            if family is None or family == _read(_FOLDER / f"{name}.toml")[0]]


def load_config(preset: str = DEFAULT_PRESET, overrides: Iterable[str] = ()) -> AcceleratorConfig:
    """Return the configuration of an accelerator; see `load_unit_config`.

    Raises
    ------
    ConfigError
        As `load_unit_config`, or the preset is for other hardware.
    """
    config = load_unit_config(preset, overrides)
    if not isinstance(config, AcceleratorConfig):
        raise ConfigError(f"preset {preset}: family must be accelerator here, "
                          f"not that of {type(config).__name__}")
    return config


def load_unit_config(preset: str = DEFAULT_PRESET, overrides: Iterable[str] = ()) -> Config:
    """Return the configuration of a preset with some fields overridden.

    Parameters
    ----------
    preset : str
        Name of a preset, or path of a TOML file that ends in ``.toml``.
    overrides : Iterable[str]
        Texts ``field=value``; of a part ``part.field=value``.

    Raises
    ------
    ConfigError
        The preset is unknown or cannot be read, a field is unknown, or a value is illegal.
    """
    family, values = _read(_path(preset), preset)
    kind = FAMILIES[family].config
    fields = _fields(kind)
    for name, value in values.items():
        _check_field(name, fields, f"preset {preset}")
        for inner in value if isinstance(value, dict) else ():
            _check_field(f"{name}.{inner}", fields, f"preset {preset}")
    for text in overrides:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"an override must read field=value, not {text!r}")
        _check_field(name, fields, "override")
        part, _, inner = name.rpartition(".")
        if part and not isinstance(values.setdefault(part, {}), dict):
            raise ConfigError(f"override: {part} must be a table of parameters, "
                              f"not {values[part]!r}")
        (values[part] if part else values)[inner] = _value(value)
    try:
        return kind.from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"preset {preset}: {error}") from None


def as_toml(config: Config) -> str:
    """Return the text of a TOML file from which `load_unit_config` makes ``config``."""
    family = next(name for name, family in FAMILIES.items() if family.config is type(config))
    lines = [] if family == _DEFAULT_FAMILY else [f"{_FAMILY} = {json.dumps(family)}"]
    for name, value in config.as_dict().items():  # parts, which are tables, come last
        lines += ["", f"[{name}]", *_assignments(value)] if name in config.parts else (
            _assignments({name: value}))
    return "\n".join([f"# Configuration {config.hash()}", *lines, ""])


def _assignments(values: dict[str, Any]) -> list[str]:
    return [f"{name} = {json.dumps(value)}" for name, value in values.items()]


def _fields(kind: type[Config]) -> tuple[str, ...]:
    """Return the names of all fields, those of parts too."""
    names = [field.name for field in dataclasses.fields(kind)]
    return (*names, *(f"{name}.{field}" for name, part in kind.parts.items()
                      for field in _fields(part)))


def _path(preset: str) -> Path:
    path = Path(preset) if preset.endswith(".toml") else _FOLDER / f"{preset}.toml"
    if path.parent == _FOLDER and path.stem not in preset_names():
        raise ConfigError(f"no preset {preset!r}{_suggestion(preset, preset_names())}; "
                          f"there are {', '.join(preset_names())}")
    return path


def _read(path: Path, preset: str = "") -> tuple[str, dict[str, Any]]:
    """Return the family and the fields that a file names."""
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"preset {preset}: {error}") from None
    family = values.pop(_FAMILY, _DEFAULT_FAMILY)
    if family not in FAMILIES:
        raise ConfigError(f"preset {preset}: family must be one of {', '.join(FAMILIES)}, "
                          f"not {family!r}")
    return family, values


def _check_field(name: str, fields: tuple[str, ...], place: str) -> None:
    if name not in fields:
        raise ConfigError(f"{place}: no field {name!r}{_suggestion(name, fields)}")


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _value(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text
