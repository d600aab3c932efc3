# SPDX-License-Identifier: Apache-2.0
"""Parameters of the attention unit."""

from dataclasses import dataclass

from .base import Config
from .checks import ConfigError, check_limits, check_name, check_powers_of_two

__all__ = ["ATTENTION_ORDERS", "AttentionConfig"]

ATTENTION_ORDERS = ("sums", "scores")
_LIMITS = {
    "channels": (1, 4096),
    "head_channels": (1, 1024),
    "adders": (1, 64),
    "tokens": (1, 4096),
    "chunk_steps": (1, 16),
    "chunks": (1, 16),
    "rows": (1, 64),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class AttentionConfig(Config):
    """Parameters of the unit that multiplies spikes with spikes: queries, keys and values.

    With ``order = "sums"`` it first adds up keys times values over all tokens, and each query
    then selects of these sums; with ``"scores"`` it first multiplies each query with all keys,
    as softmax would need it. The results are the same.

    Raises
    ------
    ConfigError
        A field is out of its range, or two fields do not fit each other.
    """

    channels: int = 512            # D: of the output, those of each head in whole groups
    head_channels: int = 64        # d: of a head, at most; several groups
    adders: int = 16               # A: channels of a group, added at once; a power of two
    tokens: int = 64               # N, at most
    chunk_steps: int = 2           # B: timesteps that attend to one another, at most
    chunks: int = 4                # of all timesteps, at most
    rows: int = 4                  # of a tile, at most
    order: str = "sums"            # one of ATTENTION_ORDERS

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        check_powers_of_two(self, ["adders"])
        check_name(self, "order", ATTENTION_ORDERS)
        for name in ("channels", "head_channels"):
            if getattr(self, name) % self.adders:
                raise ConfigError(f"{name} must be a multiple of adders ({self.adders}), "
                                  f"not {getattr(self, name)}")
        if self.head_channels > self.channels:
            raise ConfigError(f"head_channels must be at most channels ({self.channels}), "
                              f"not {self.head_channels}")

    @property
    def groups(self) -> int:
        """Groups of all heads together."""
        return self.channels // self.adders

    @property
    def head_groups(self) -> int:
        """Groups of the largest head."""
        return self.head_channels // self.adders

    @property
    def count_limit(self) -> int:
        """Largest sum of keys times values: all tokens fire in all steps of a chunk."""
        return self.tokens * self.chunk_steps

    @property
    def result_limit(self) -> int:
        """Largest result: all channels of a query fire as well."""
        return self.head_channels * self.count_limit
