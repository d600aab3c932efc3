# SPDX-License-Identifier: Apache-2.0
"""A layer for an array: its operands, and the order of its tiles."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..models.golden.ftp_array import ftp_matmul
from ..models.golden.lane_word import unpack
from ..models.golden.plif import LIF
from ..models.golden.row_dealer import deal
from ..rtl.config import ArrayConfig, FTPConfig
from .accounting.workload import Workload

__all__ = ["QUANTILE", "LaneTile", "Layer", "Tile", "array_tiles", "as_layer"]

QUANTILE = 0.8  # of the psums of a layer: its threshold, if nothing is known of its neurons
_WIDEST = 32    # bits of a psum


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """A matrix product and the neurons behind it.

    Parameters
    ----------
    name : str
    words : Tensor[M, K]
        int64, lane words.
    weights : Tensor[K, N]
        int64, signed, ``weight_bits`` wide.
    bias, threshold : Tensor[N]
        int64, signed, ``psum_bits`` wide.
    lif : LIF
    drop_single : bool
        Whether output words with fewer than two spikes are dropped.
    pixels : Tensor[M, taps] or None
        int64, the pixel whose channels are the tap's positions of a row, -1 for a padded tap;
        by default each row is a pixel of its own.
    """

    name: str
    words: Tensor
    weights: Tensor
    bias: Tensor
    threshold: Tensor
    lif: LIF
    drop_single: bool = False
    pixels: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, positions and columns: M, K, N."""
        return (*self.words.shape, self.weights.shape[1])  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneTile:
    """What leaves through one lane of an array in one tile.

    Parameters
    ----------
    rows : int64[n]
        Rows of the layer, in the order in which they leave.
    places : int64[n]
        The lane's row of each of them.
    columns : int64[m]
        Columns of the layer.
    """

    rows: np.ndarray
    places: np.ndarray
    columns: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """Rows that are computed at once, with all columns.

    Parameters
    ----------
    rows : int64[n]
        Rows of the layer.
    places : int64[n]
        The row of a group that computes each of them, ascending.
    columns : tuple of int64[m]
        Columns of the layer that each group of the array computes.
    """

    rows: np.ndarray
    places: np.ndarray
    columns: tuple[np.ndarray, ...]

    def lane(self, index: int, lanes: int, lane_rows: int) -> LaneTile:
        """Return what leaves through lane ``index`` of all ``lanes``."""
        group, inside = divmod(index, lanes // len(self.columns))
        places = self.places - inside * lane_rows
        mine = (places >= 0) & (places < lane_rows)
        return LaneTile(rows=self.rows[mine], places=places[mine], columns=self.columns[group])


def as_layer(workload: Workload) -> Layer:
    """Return a workload with neurons behind it.

    They do not leak, are reset to zero, and outputs with a single spike are dropped, as in LoAS's
    fine-tuned mode. Bias and threshold are the workload's; if it has none, 0 and the `QUANTILE`
    of its psums, but at least 1.
    """
    threshold, columns = workload.threshold, workload.columns
    if threshold is None:
        psums = ftp_matmul(unpack(workload.words, workload.timesteps), workload.weights, _WIDEST)
        threshold = max(1, int(np.quantile(psums.numpy(), QUANTILE)))
    return Layer(name=workload.name, words=workload.words, weights=workload.weights,
                 bias=torch.full((columns,), workload.bias or 0),
                 threshold=torch.full((columns,), threshold),
                 lif=LIF(shift=0), drop_single=True, pixels=workload.pixels)


def array_tiles(layer: Layer, config: FTPConfig) -> Iterator[Tile]:
    """Yield the tiles of a layer, of rows one after another.

    In an array whose elements hold several rows these are dealt by their words that are not
    silent, and each group of elements computes all rows for a part of the columns, as long as
    there are elements for that.
    """
    rows, _, columns = layer.shape
    size = config.tile_rows if isinstance(config, ArrayConfig) else config.tppes
    for start in range(0, rows, size):
        tile = np.arange(start, min(start + size, rows))
        if isinstance(config, ArrayConfig):
            yield _dealt(layer, config, tile)
        else:
            yield Tile(rows=tile, places=tile - start, columns=(np.arange(columns),))


def _dealt(layer: Layer, config: ArrayConfig, rows: np.ndarray) -> Tile:
    groups = 1
    while (2 * groups <= min(config.weight_streams, layer.shape[2])
           and 2 * groups * len(rows) <= config.tile_rows):
        groups *= 2
    counts = (layer.words.numpy()[rows] != 0).sum(1)
    dealt = sorted(deal(counts.tolist(), config.tppes // groups, config.rows_per_pe),
                   key=lambda row: (row.element, row.place))
    return Tile(rows=rows[[row.row for row in dealt]],
                places=np.array([row.element * config.rows_per_pe + row.place for row in dealt]),
                columns=tuple(np.array_split(np.arange(layer.shape[2]), groups)))
