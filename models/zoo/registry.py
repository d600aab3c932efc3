# SPDX-License-Identifier: Apache-2.0
"""Networks of the zoo by name."""

from ..nn.recipe import Recipe
from . import (
    digits_micro,
    dual_sparse_cnn,
    ms_resnet_fashion,
    resnet_fashion,
    resnet_fashion_ft,
    statten,
    tt_variants,
    vgg_fashion,
    vgg_fashion_ft,
)
from .errors import UnknownNetworkError
from .tt_variants import Variant

__all__ = ["NETWORKS", "TENSOR_TRAINS", "TRANSFORMERS", "UnknownNetworkError", "get"]


NETWORKS: dict[str, Recipe] = {module.RECIPE.name: module.RECIPE for module in (
    dual_sparse_cnn, vgg_fashion, vgg_fashion_ft, resnet_fashion, resnet_fashion_ft,
    ms_resnet_fashion, digits_micro)}  # pruned
TRANSFORMERS = statten.NETWORKS
TENSOR_TRAINS = tt_variants.VARIANTS


def get(name: str) -> Recipe | Variant:
    """Return the network of that name.

    Raises
    ------
    UnknownNetworkError
        If there is none.
    """
    known = NETWORKS | TRANSFORMERS | TENSOR_TRAINS
    if name not in known:
        raise UnknownNetworkError(f"network must be one of {', '.join(sorted(known))}, "
                                  f"not {name!r}")
    return known[name]
