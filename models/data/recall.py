# SPDX-License-Identifier: Apache-2.0
"""Key-value recall: which value stood beside the key that is asked for?

Each input is eight tokens, a key and a value each, in random order, and a ninth that has a key
alone. The answer stands in another token, at a place that changes: no layer that looks at one
token at a time can find it. Nothing is fetched: it is computed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["FEATURES", "KEYS", "PAIRS", "VALUES", "LabelledTokens", "generate", "load_test",
           "load_training"]

KEYS, VALUES, PAIRS = 16, 8, 8
FEATURES = KEYS + VALUES
_ONE = 64  # of a feature that is there
_TRAINING, _TESTING = 5000, 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledTokens:
    """Inputs of a vision transformer and their labels.

    Parameters
    ----------
    tokens : Tensor[B, N, features]
        int64, -128..127.
    labels : Tensor[B]
        int64.
    """

    tokens: Tensor
    labels: Tensor

    def first(self, count: int | None) -> "LabelledTokens":
        """Return the first inputs, all if no count is given."""
        return LabelledTokens(tokens=self.tokens[:count], labels=self.labels[:count])


def generate(count: int, seed: int) -> LabelledTokens:
    """Draw inputs.

    Parameters
    ----------
    count, seed : int
    """
    generator = torch.Generator().manual_seed(seed)
    keys = torch.rand(count, KEYS, generator=generator).argsort(1)[:, :PAIRS]
    values = torch.randint(VALUES, (count, PAIRS), generator=generator)
    asked = torch.randint(PAIRS, (count,), generator=generator)
    every = torch.arange(count)
    tokens = torch.zeros(count, PAIRS + 1, FEATURES, dtype=torch.int64)
    place = torch.arange(PAIRS)
    tokens[every[:, None], place, keys] = _ONE
    tokens[every[:, None], place, KEYS + values] = _ONE
    tokens[every, PAIRS, keys[every, asked]] = _ONE
    return LabelledTokens(tokens=tokens, labels=values[every, asked])


def load_training() -> LabelledTokens:
    """Draw the training split, 5000 inputs."""
    return generate(_TRAINING, 1)


def load_test() -> LabelledTokens:
    """Draw the test split, 2000 inputs."""
    return generate(_TESTING, 2)
