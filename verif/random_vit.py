# SPDX-License-Identifier: Apache-2.0
"""Small vision transformers with random weights, and a core that they fit."""

import torch
from torch import Tensor

from ..models.golden.vit_network import VitNetwork
from ..models.golden.vit_shape import VitShape
from ..models.nn.vit import TwinVit
from ..rtl.config import VitCoreConfig

__all__ = ["CONFIG", "random_network"]

CONFIG = VitCoreConfig(max_channels=8, max_tokens=5, values=320, parameters=200, instructions=48,
                       macro_rows=84, macro_columns=64, tiles=2, beat_values=4,
                       gelu_tables=2)


def random_network(pattern: str = "ARCS", pool: str = "last") -> tuple[VitNetwork, Tensor]:
    """Return a network, and two inputs that use its whole range.

    Parameters
    ----------
    pattern, pool : str
        See `VitShape`.
    """
    shape = VitShape(pattern=pattern, tokens=5, channels=8, heads=2, hidden=12, features=6,
                     classes=3, pool=pool)
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randint(-128, 128, (2, shape.tokens, shape.features), generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        twin = TwinVit(shape, 6)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter += torch.randn_like(parameter) * 0.3
        twin.quantize(inputs)
    return twin.integer(f"random_{pattern}"), inputs
