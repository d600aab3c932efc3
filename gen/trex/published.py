# SPDX-License-Identifier: Apache-2.0
"""Networks of the TReX paper, and the ratios that it publishes for them."""

from dataclasses import dataclass

from ...models.golden.vit_shape import VitShape

__all__ = ["PUBLISHED", "Published"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A network and what reuse is said to save in it.

    Parameters
    ----------
    name : str
    shape : VitShape
        Without reuse.
    edap : float
        How many times lower.
    tops : float
        How many times more TOPS/mm2.
    """

    name: str
    shape: VitShape
    edap: float
    tops: float


PUBLISHED = (  # arXiv 2408.12742, ImageNet-1k; geometry of patch embedding: 16 x 16 x 3
    Published(name="DeiT-S", edap=2.3, tops=1.86, shape=VitShape(
        pattern="A" * 12, tokens=197, channels=384, heads=6, hidden=1536, features=768,
        classes=1000)),
    Published(name="LV-ViT-S", edap=2.19, tops=1.79, shape=VitShape(
        pattern="A" * 16, tokens=197, channels=384, heads=6, hidden=1152, features=768,
        classes=1000)),
)
