# SPDX-License-Identifier: Apache-2.0
"""Networks of the zoo by name."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..data import digits
from ..golden.network import IntegerNetwork
from . import dual_sparse_cnn

__all__ = ["NETWORKS", "Entry", "UnknownNetworkError", "get"]


class UnknownNetworkError(KeyError):
    """A name that no network has; the message lists the known names."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a network offers.

    Parameters
    ----------
    load : callable
        Returns the integer network.
    load_test : callable
        Returns the test images and labels.
    accuracy_float : callable
        From images and labels to the float model's accuracy, 0..1.
    """

    load: Callable[[], IntegerNetwork]
    load_test: Callable[[], digits.Digits]
    accuracy_float: Callable[[Tensor, Tensor], float]


NETWORKS: dict[str, Entry] = {
    dual_sparse_cnn.NAME: Entry(
        load=dual_sparse_cnn.load, load_test=digits.load_test,
        accuracy_float=dual_sparse_cnn.accuracy_float),
}


def get(name: str) -> Entry:
    """Return the network of that name.

    Raises
    ------
    UnknownNetworkError
        If there is none.
    """
    if name not in NETWORKS:
        raise UnknownNetworkError(f"network must be one of {', '.join(sorted(NETWORKS))}, "
                                  f"not {name!r}")
    return NETWORKS[name]
