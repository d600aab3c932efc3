# SPDX-License-Identifier: Apache-2.0
"""What all configurations have in common."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from .checks import ConfigError

__all__ = ["Config"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Parameters of hardware; a subclass adds fields and checks them.

    A part that the hardware may have or not is a field of its own: a configuration, or None.
    ``parts`` tells by name which fields these are, and of which kind each is.
    """

    parts: ClassVar[dict[str, type["Config"]]] = {}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the configuration of which `as_dict` made ``values``.

        Raises
        ------
        ConfigError
            A field is out of its range, or two fields do not fit each other.
        """
        fields = dict(values)
        for name, part in cls.parts.items():
            if isinstance(fields.get(name), Mapping):
                try:
                    fields[name] = part.from_dict(fields[name])
                except ConfigError as error:
                    raise ConfigError(f"{name}: {error}") from None
        return cls(**fields)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, in the order of their declaration.

        A part is a dict itself, and left out if the hardware does not have it.
        """
        return {name: value for name, value in dataclasses.asdict(self).items()
                if value is not None}

    def flat(self) -> dict[str, int | str]:
        """Return the fields as `as_dict`, those of a part under names ``part.field``."""
        found = {}
        for name, value in self.as_dict().items():
            if name in self.parts:
                found |= {f"{name}.{field}": inner for field, inner in value.items()}
            else:
                found[name] = value
        return found

    def hash(self) -> str:
        """Return 16 hexadecimal digits that identify this configuration."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
