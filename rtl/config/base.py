# SPDX-License-Identifier: Apache-2.0
"""What all configurations have in common."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

__all__ = ["Config"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Parameters of hardware; a subclass adds fields and checks them."""

    def as_dict(self) -> dict[str, int | str]:
        """Return the fields by name, in the order of their declaration."""
        return dataclasses.asdict(self)

    def hash(self) -> str:
        """Return 16 hexadecimal digits that identify this configuration."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
