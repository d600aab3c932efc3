# SPDX-License-Identifier: Apache-2.0
"""What an array gave out against the golden ops: every psum and every spike, in order."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..models.golden.ftp_array import ftp_matmul
from ..models.golden.lane_word import pack, popcount, unpack
from ..models.golden.plif import plif
from ..rtl.config import FTPConfig
from .array_design import ArrayPorts
from .array_layer import LaneTile, Layer, Tile
from .hexfile import read_log

__all__ = ["Expected", "check", "expected"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Expected:
    """The output of a layer.

    Parameters
    ----------
    psums : Tensor[T, M, N]
        int64.
    words : Tensor[M, N]
        int64, lane words; dropped ones are zero.
    """

    psums: Tensor
    words: Tensor


class _WrongShape(ValueError):
    """Outputs are missing, superfluous or out of order."""


def expected(layer: Layer, config: FTPConfig) -> Expected:
    """Return the output of the golden ops."""
    psums = ftp_matmul(unpack(layer.words, config.timesteps), layer.weights, config.psum_bits)
    words = pack(plif(psums, layer.bias, layer.threshold, layer.lif))
    if layer.drop_single:
        words = words * (popcount(words) > 1)
    return Expected(psums=psums, words=words)


def check(wanted: Expected, tiles: list[Tile], ports: ArrayPorts, config: FTPConfig,
          folder: Path) -> str:
    """Return the first mismatch of the outputs in ``folder`` in words; none if they are exact."""
    found = []
    for lane in range(len(ports.lanes)):
        parts = ports.lane_tiles(lane, tiles)
        try:
            found += _compare_psums(wanted, parts, ports, folder / f"out_{2 * lane}.log")
            found += _compare_fibers(wanted, parts, ports, config,
                                     folder / f"out_{2 * lane + 1}.log")
        except _WrongShape as error:
            return f"lane {lane}: {error}"
    return min(found)[1] if found else ""


def _order(parts: list[LaneTile], block: int) -> np.ndarray:
    """Return int64[5, n] of blocks of columns: row, place, first column, columns, if the last."""
    return np.concatenate([
        np.stack([np.tile(part.rows, len(starts)), np.tile(part.places, len(starts)),
                  np.repeat(part.columns[starts], len(part.rows)),
                  np.repeat(np.minimum(block, len(part.columns) - starts), len(part.rows)),
                  np.repeat(starts + block >= len(part.columns), len(part.rows))])
        for part in parts
        for starts in [np.arange(0, len(part.columns), block)]], axis=1)


def _expect(what: str, got: int, wanted: int) -> None:
    if got != wanted:
        raise _WrongShape(f"{what} must be {wanted}, not {got}")


def _compare(kind: str, got: np.ndarray, wanted: np.ndarray, cycles: np.ndarray,
             rows: np.ndarray, columns: np.ndarray) -> list[tuple[int, str]]:
    """Return cycle and text of the first difference between [n, T] values, or nothing."""
    index, timestep = np.nonzero(got != wanted)
    if not len(index):
        return []
    at, t = index[0], timestep[0]
    neuron = f"row {rows[at]}, column {columns[at]}, timestep {t}, cycle {cycles[at]}"
    return [(int(cycles[at]),
             f"{kind} of {neuron}: expected {wanted[at, t]}, got {got[at, t]}")]


def _compare_psums(wanted: Expected, parts: list[LaneTile], ports: ArrayPorts,
                   log: Path) -> list[tuple[int, str]]:
    cycles, fields = read_log(log, ports.psums)
    if not parts:
        _expect("psum results", len(cycles), 0)
        return []
    row, place, column, _, last = _order(parts, 1)
    _expect("psum results", len(cycles), len(row))
    if (fields["row"] != place).any() or (fields["last"] != last).any():
        raise _WrongShape("psums are out of order")
    return _compare("psum", fields["psums"], wanted.psums.numpy()[:, row, column].T, cycles, row,
                    column)


def _compare_fibers(wanted: Expected, parts: list[LaneTile], ports: ArrayPorts, config: FTPConfig,
                    log: Path) -> list[tuple[int, str]]:
    """Expand the chunks of the fibers and compare their words."""
    cycles, fields = read_log(log, ports.fiber, masks=("mask",))
    end = fields["end"].astype(bool)
    if not parts:
        _expect("chunks of spikes", len(end), 0)
        return []
    row, place, column, size, last = _order(parts, config.chunk)
    _expect("chunks of spikes", int(end.sum()), len(row))
    if (fields["row"][end] != place).any() or (fields["last"][end] != last).any():
        raise _WrongShape("chunks of spikes are out of order")
    mask = fields["mask"][end]
    chunk = np.concatenate([[0], np.cumsum(end)[:-1]])  # of each beat
    beat = np.arange(len(end)) - np.concatenate([[0], np.flatnonzero(end) + 1])[chunk]
    left = mask.sum(axis=1)[chunk] - beat * config.beat_values
    used = np.arange(config.beat_values) < left[:, None]
    _expect("packed lane words", int(used.sum()), int(mask.sum()))
    if (left[end] > config.beat_values).any() or (left[~end] <= config.beat_values).any():
        raise _WrongShape("beats do not fit the masks of their chunks")
    index, position = np.nonzero(np.arange(config.chunk) < size[:, None])
    if (mask & (np.arange(config.chunk) >= size[:, None])).any():
        raise _WrongShape("spikes came for neurons that do not exist")
    if (fields["offset"][end] != _offsets(row, mask.sum(axis=1))).any():
        raise _WrongShape("offsets of chunks do not add up their words")
    words = np.zeros(mask.shape, np.int64)
    words[mask] = fields["values"][used]
    rows, columns = row[index], column[index] + position
    steps = np.arange(config.timesteps)
    return _compare("spike", words[index, position][:, None] >> steps & 1,
                    wanted.words.numpy()[rows, columns][:, None] >> steps & 1, cycles[end][index],
                    rows, columns)


def _offsets(row: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return how many words of its row come before each chunk."""
    before = np.zeros(len(row), np.int64)
    order = np.argsort(row, kind="stable")
    sums = np.cumsum(counts[order]) - counts[order]
    starts = np.flatnonzero(np.diff(row[order], prepend=-1))
    before[order] = sums - np.repeat(sums[starts], np.diff(starts, append=len(row)))
    return before
