# SPDX-License-Identifier: Apache-2.0
"""Integer networks by name or by file."""

from pathlib import Path

from ...models.golden import network_file
from ...models.golden.network import IntegerNetwork
from ...models.zoo import registry

__all__ = ["load_network"]


def load_network(model: str) -> IntegerNetwork:
    """Return the network of a name in the zoo, or of a path that ends in ``.npz``.

    Raises
    ------
    UnknownNetworkError
        There is none of that name.
    NetworkFileError
        The file is missing or corrupt.
    """
    if model.endswith(".npz"):
        return network_file.load(Path(model))
    return registry.get(model).load()
