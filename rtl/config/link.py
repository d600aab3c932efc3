# SPDX-License-Identifier: Apache-2.0
"""Parameters of the host link."""

from dataclasses import dataclass

from .base import Config
from .checks import check_limits

__all__ = ["LinkConfig"]

_LIMITS = {"divisor": (4, 65535), "words": (1, 64)}


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkConfig(Config):
    """Parameters of the host link (`rtl/link/`).

    Raises
    ------
    ConfigError
        A field is out of its range.
    """

    divisor: int = 12              # clock cycles of one bit on the serial line
    words: int = 64                # most 32-bit words in one frame

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)

    @property
    def request_bytes(self) -> int:
        """Bytes of the longest request: five of head, the words, four of checksum."""
        return 4 * self.words + 9
