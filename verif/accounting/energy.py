# SPDX-License-Identifier: Apache-2.0
"""Energy of events: counts times a table of picojoules, each with its source."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

__all__ = ["DEFAULT_TABLE", "DEFAULT_TABLES", "EnergyError", "Event", "energy", "load_table"]

DEFAULT_TABLES = Path(__file__).parent / "energy.toml"
DEFAULT_TABLE = "horowitz_45nm"


class EnergyError(ValueError):
    """A table or an event that does not exist or cannot be used; names it."""


class Event(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Energy of one event.

    Parameters
    ----------
    picojoules : float
        0 or more.
    source : str
        Where the number comes from.
    """

    picojoules: Annotated[float, msgspec.Meta(ge=0)]
    source: Annotated[str, msgspec.Meta(min_length=1)]


def load_table(name: str = DEFAULT_TABLE, path: Path = DEFAULT_TABLES) -> dict[str, Event]:
    """Return one table of a file.

    Parameters
    ----------
    name : str
    path : Path
        A TOML file of tables; each line reads
        ``event = { picojoules = NUMBER, source = TEXT }``.

    Raises
    ------
    EnergyError
        The file cannot be read or is malformed, or has no such table.
    """
    try:
        tables = msgspec.convert(tomllib.loads(path.read_text()), dict[str, dict[str, Event]])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError,
            msgspec.ValidationError) as error:
        raise EnergyError(f"{path}: {error}") from None
    if name not in tables:
        raise EnergyError(f"{path}: no table {name!r}{_suggestion(name, tables)}")
    return tables[name]


def energy(counts: Mapping[str, float], table: Mapping[str, Event]) -> dict[str, float]:
    """Return the picojoules of each kind of event.

    Parameters
    ----------
    counts : Mapping
        How often each event happened; bytes, for an event that ends in ``_byte``.
    table : Mapping
        See `load_table`.

    Raises
    ------
    EnergyError
        The table lacks an event, or a count is negative.
    """
    for name, count in counts.items():
        if name not in table:
            raise EnergyError(f"no event {name!r} in the table{_suggestion(name, table)}")
        if count < 0:
            raise EnergyError(f"count of {name} must be 0 or more, not {count}")
    return {name: count * table[name].picojoules for name, count in counts.items()}


def _suggestion(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
