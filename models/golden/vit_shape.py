# SPDX-License-Identifier: Apache-2.0
"""Sizes of a vision transformer whose encoders may reuse the attention of earlier ones."""

from dataclasses import dataclass

from .checks import check_int
from .errors import NetworkError

__all__ = ["KINDS", "POOLS", "VitShape"]

KINDS = {  # control words of encoders
    "A": "attention of its own, kept in the reuse buffer",
    "R": "the reuse buffer through a transformation block",
    "C": "the reuse buffer as it is",
    "S": "no attention",
}
POOLS = ("last", "mean")


@dataclass(frozen=True, kw_only=True)
class VitShape:
    """Sizes of a vision transformer.

    Parameters
    ----------
    pattern : str
        Control words of the encoders, one letter of `KINDS` each; R and C want an A before them.
    tokens, channels : int
        N and D.
    heads : int
        Divides the channels.
    hidden : int
        Channels in the middle of the two layers behind the attention.
    features : int
        Of a token that comes in.
    classes : int
    pool : str
        What is classified: the ``last`` token, or the ``mean`` of all.

    Raises
    ------
    NetworkError
        The control words do not fit each other.
    GoldenError
        A size is out of range.
    """

    pattern: str
    tokens: int
    channels: int
    heads: int
    hidden: int
    features: int
    classes: int
    pool: str = "mean"

    def __post_init__(self) -> None:
        for name in ("tokens", "channels", "heads", "hidden", "features", "classes"):
            check_int(name, getattr(self, name), 1, 1 << 16)
        if self.channels % self.heads:
            raise NetworkError(f"heads must divide channels ({self.channels}), "
                               f"not be {self.heads}")
        if self.pool not in POOLS:
            raise NetworkError(f"pool must be one of {', '.join(POOLS)}, not {self.pool!r}")
        for index, kind in enumerate(self.pattern):
            if kind not in KINDS:
                raise NetworkError(f"pattern must be of {''.join(KINDS)}, not {self.pattern!r}")
            if kind in "RC" and "A" not in self.pattern[:index]:
                raise NetworkError(f"pattern must have an A before encoder {index} ({kind}), "
                                   f"not be {self.pattern!r}")

    @property
    def head_channels(self) -> int:
        """Channels of one head."""
        return self.channels // self.heads

    @property
    def mean_shift(self) -> int:
        """Right shift of the sum of all tokens, for the mean."""
        return (self.tokens - 1).bit_length()
