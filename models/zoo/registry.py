# SPDX-License-Identifier: Apache-2.0
"""Networks of the zoo by name."""

from ..nn.recipe import Recipe
from . import (
    dual_sparse_cnn,
    ms_resnet_fashion,
    resnet_fashion,
    resnet_fashion_ft,
    statten,
    vgg_fashion,
    vgg_fashion_ft,
)

__all__ = ["NETWORKS", "TRANSFORMERS", "UnknownNetworkError", "get"]


class UnknownNetworkError(KeyError):
    """A name that no network has; the message lists the known names."""

    def __str__(self) -> str:
        return str(self.args[0])


NETWORKS: dict[str, Recipe] = {module.RECIPE.name: module.RECIPE for module in (
    dual_sparse_cnn, vgg_fashion, vgg_fashion_ft, resnet_fashion, resnet_fashion_ft,
    ms_resnet_fashion)}  # pruned
TRANSFORMERS = statten.NETWORKS


def get(name: str) -> Recipe:
    """Return the network of that name.

    Raises
    ------
    UnknownNetworkError
        If there is none.
    """
    known = NETWORKS | TRANSFORMERS
    if name not in known:
        raise UnknownNetworkError(f"network must be one of {', '.join(sorted(known))}, "
                                  f"not {name!r}")
    return known[name]
