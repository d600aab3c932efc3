# SPDX-License-Identifier: Apache-2.0
"""What the resistance of wires takes from the conductances of a crossbar."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import GoldenError

__all__ = ["Wires", "effective_table"]

_TOLERANCE = 1e-12
_SWEEPS = 1000


@dataclass(frozen=True, kw_only=True)
class Wires:
    """Resistances, as a share of that of a cell at the highest level; 0 is ideal.

    Parameters
    ----------
    segment : float
        Of the wire from one cell to the next, of wordlines and bitlines.
    driver : float
        Between the source of a pulse and the first cell of its wordline.

    Raises
    ------
    GoldenError
        A resistance is negative.
    """

    segment: float = 0.0
    driver: float = 0.0

    def __post_init__(self) -> None:
        if self.segment < 0 or self.driver < 0:
            raise GoldenError(f"segment and driver must be at least 0, "
                              f"not {self.segment} and {self.driver}")

    @property
    def any(self) -> bool:
        """Whether there is any resistance."""
        return self.segment > 0 or self.driver > 0


def effective_table(conductances: Tensor, wires: Wires) -> Tensor:
    """Return for each row and column the current of the column when only that row is driven.

    Silent wordlines are held at 0, so the network is linear: the current of a column is the sum
    of this table over the active rows, whatever their number. Wordlines are driven at column 0,
    bitlines end in a virtual ground behind the last row.

    Kirchhoff's law at the two nodes of each cell, solved line by line in turns: with the bitlines
    known a wordline is a tridiagonal system, and the other way round.

    Parameters
    ----------
    conductances : Tensor[R, C]
        float64, those of the cells; the highest level is 1.
    wires : Wires

    Returns
    -------
    Tensor[R, C]
        float64.

    Raises
    ------
    GoldenError
        The network does not settle: the wires resist more than the cells.
    """
    rows, columns = conductances.shape
    wire = 1 / max(wires.segment, 1e-9)  # next to nothing in place of nothing
    source = 1 / max(wires.driver + wires.segment, 1e-9)
    wordlines = torch.diag_embed(conductances) + _chain(columns, wire, first=source)
    bitlines = torch.diag_embed(conductances.T) + _chain(rows, wire, last=wire)
    wordlines, bitlines = torch.linalg.inv(wordlines), torch.linalg.inv(bitlines)
    driven = source * wordlines[:, :, 0]  # of each row, when it is the one that is driven
    coupling = conductances[:, :, None]
    low = torch.zeros(rows, columns, rows, dtype=torch.float64)  # bitlines; the last: driven row
    for _ in range(_SWEEPS):
        high = wordlines @ (coupling * low)
        high.diagonal(dim1=0, dim2=2).add_(driven.T)
        new = (bitlines @ (coupling * high).transpose(0, 1)).transpose(0, 1)
        change = float((new - low).abs().max())
        low = new
        if change < _TOLERANCE:
            return (low[-1] * wire).T
    raise GoldenError(f"wires must resist less than the cells, not {wires.segment} and "
                      f"{wires.driver} of one")


def _chain(length: int, wire: float, first: float = 0.0, last: float = 0.0) -> Tensor:
    """Return the matrix of a line of nodes, tied to their neighbours and at its ends."""
    ties = torch.full((length - 1,), -wire, dtype=torch.float64)
    diagonal = torch.zeros(length, dtype=torch.float64)
    diagonal[:-1] += wire
    diagonal[1:] += wire
    diagonal[0] += first
    diagonal[-1] += last
    return torch.diag(diagonal) + torch.diag(ties, 1) + torch.diag(ties, -1)
