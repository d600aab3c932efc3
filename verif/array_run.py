# SPDX-License-Identifier: Apache-2.0
"""One layer on the FTP array: its tiles as files, the free-running bench, its results.

The tiles are fed in the order in which a sequencer would feed them: rows in groups of ``P``,
for each group all weight fibers.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..models.golden.lane_word import pack
from ..models.golden.plif import LIF
from ..rtl.config import FTPConfig
from ..rtl.ftp.activity_counters import counters_layout
from ..rtl.ftp.array_layouts import (
    array_error_layout,
    array_psums_layout,
    array_row_layout,
    tile_layout,
)
from ..rtl.ftp.column_buffer import column_beat_layout
from ..rtl.ftp.compressor import fiber_layout
from ..rtl.ftp.layouts import channel_layout
from .build import Design
from .hexfile import read_log, write_words
from .payload import width
from .runner import Run, emitted, run_bench
from .tb_array_run import RESULT

__all__ = [
    "ArrayJob",
    "ArrayResult",
    "ArrayRunError",
    "array_design",
    "array_run",
    "fiber_beats",
    "run_on_array",
]


class ArrayRunError(RuntimeError):
    """The array stopped or lost something; the message says what."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayJob:
    """A matrix product, and the neurons behind it.

    Parameters
    ----------
    rows : Tensor[T, M, K]
        bool.
    weights : Tensor[K, N]
        int64, signed, ``weight_bits`` wide.
    bias, threshold : Tensor[N] or None
        int64, signed, ``psum_bits`` wide; None if only psums are wanted.
    lif : LIF or None
        The neurons; None if only psums are wanted.
    """

    rows: Tensor
    weights: Tensor
    bias: Tensor | None = None
    threshold: Tensor | None = None
    lif: LIF | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayResult:
    """What the array gave out.

    Parameters
    ----------
    psums : Tensor[T, M, N]
        int64.
    psum_cycles : Tensor[M, N]
        int64, the cycle in which the psums of a neuron left.
    spikes : Tensor[T, M, N] or None
        bool, from the compressed fibers.
    spike_cycles : Tensor[M, N] or None
        int64, the cycle in which the last beat of the neuron's chunk left.
    counters : dict of str to int
        See ``counters_layout``.
    """

    psums: Tensor
    psum_cycles: Tensor
    spikes: Tensor | None
    spike_cycles: Tensor | None
    counters: dict[str, int]


def fiber_beats(fibers: np.ndarray, config: FTPConfig) -> dict[str, np.ndarray]:
    """Return the beats of uncompressed fibers int64[F, K], one fiber after another.

    Returns
    -------
    dict
        ``values`` int64[n, V], ``end`` bool[n], ``mask`` bool[n, C] (zero where it does not
        count), ``last`` bool[n], ``fiber`` int64[n].
    """
    count, length = fibers.shape
    chunks = -(-length // config.chunk)
    padded = np.zeros((count, chunks * config.chunk), np.int64)
    padded[:, :length] = fibers
    padded = padded.reshape(count * chunks, config.chunk)
    mask = padded != 0
    order = np.argsort(~mask, axis=1, kind="stable")  # non-zero values first
    packed = np.take_along_axis(padded, order, axis=1)
    beats = np.maximum(1, -(-mask.sum(axis=1) // config.beat_values))
    chunk, beat = np.nonzero(np.arange(config.chunk_beats) < beats[:, None])
    end = beat == beats[chunk] - 1
    return {
        "values": packed.reshape(-1, config.chunk_beats, config.beat_values)[chunk, beat],
        "end": end,
        "mask": mask[chunk] & end[:, None],
        "last": end & (chunk % chunks == chunks - 1),
        "fiber": chunk // chunks,
    }


def array_design(config: FTPConfig) -> Design:
    """Return the array inside its free-running bench."""
    widths = {
        "TILE": tile_layout(config), "ROW": array_row_layout(config),
        "COLUMN": column_beat_layout(config), "CHANNEL": channel_layout(config),
        "PSUMS": array_psums_layout(config), "FIBER": fiber_layout(config),
        "ERROR": array_error_layout(), "COUNTERS": counters_layout(config),
    }
    arguments = tuple(f"-G{name}_WIDTH={width(layout)}" for name, layout in widths.items())
    bench = Path(__file__).with_name("array_bench.sv").read_text()
    return Design(top="array_bench", verilog=bench + emitted("ftp_array", config),
                  arguments=arguments)


def array_run(config: FTPConfig, folder: Path, **counts: int) -> Run:
    """Return the run of the free-running bench on the files in ``folder``."""
    return Run(unit="ftp_array", config=config, bench="tb_array_run",
               design=array_design(config),
               parameters={"folder": str(folder.resolve()), **counts})


def run_on_array(job: ArrayJob, config: FTPConfig, folder: Path) -> ArrayResult:
    """Run a job on the RTL.

    Parameters
    ----------
    folder : Path
        Where the files go; what it held is overwritten.

    Raises
    ------
    ArrayRunError
        The array reported an error, got stuck, or gave out too few or too many results.
    BenchFailure, ToolError
        As `runner.run_bench`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in (RESULT, "psums.log", "fibers.log"):
        (folder / path).unlink(missing_ok=True)
    run_bench(array_run(config, folder, **_write(job, config, folder)))
    result = json.loads((folder / RESULT).read_text())
    errors = [name for name, value in result["error"].items() if value]
    if errors or result["stuck"]:
        raise ArrayRunError(f"the array stopped: {', '.join(errors) or 'nothing moves'}")
    psums, psum_cycles = _read_psums(job, config, folder)
    spikes, spike_cycles = _read_spikes(job, config, folder) if job.lif else (None, None)
    return ArrayResult(psums=psums, psum_cycles=psum_cycles, spikes=spikes,
                       spike_cycles=spike_cycles, counters=result["counters"])


def _write(job: ArrayJob, config: FTPConfig, folder: Path) -> dict[str, int]:
    """Write the four input streams; return how many words each has to send."""
    rows, columns = job.rows.shape[1], job.weights.shape[1]
    tiles = -(-rows // config.tppes)
    tile: dict[str, Any] = {
        "rows": np.minimum(config.tppes, rows - np.arange(tiles) * config.tppes),
        "emit_psums": np.ones(tiles), "emit_spikes": np.full(tiles, job.lif is not None),
    }
    if job.lif:
        lif = {"gain": job.lif.gain, "shift": job.lif.shift, "decay_input": job.lif.decay_input,
               "soft_reset": job.lif.reset == "soft"}
        tile["lif"] = {name: np.full(tiles, value) for name, value in lif.items()}
    write_words(folder / "tiles.hex", tile_layout(config), tile)

    beats = fiber_beats(pack(job.rows).numpy(), config)
    beats["row"] = beats.pop("fiber") % config.tppes
    row_beats = write_words(folder / "rows.hex", array_row_layout(config), beats)

    beats = fiber_beats(job.weights.T.numpy(), config)
    beats["final"] = beats["last"] & (beats.pop("fiber") == columns - 1)
    column_beats = write_words(folder / "columns.hex", column_beat_layout(config), beats)

    channels = 0
    if job.bias is not None and job.threshold is not None:
        channels = write_words(folder / "channels.hex", channel_layout(config), {
            "bias": job.bias.numpy(), "threshold": job.threshold.numpy()})
    return {"tiles": tiles, "rows": row_beats, "columns": tiles * column_beats,
            "channels": tiles * channels}


def _order(job: ArrayJob, config: FTPConfig, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Return row and first column of each result, in the order in which the array sends them.

    With ``block`` 1 for each column all rows of the tile; else for each block of columns.
    """
    rows, columns = job.rows.shape[1], job.weights.shape[1]
    places = [(row, column)
              for start in range(0, rows, config.tppes)
              for column in range(0, columns, block)
              for row in range(start, min(start + config.tppes, rows))]
    row, column = np.array(places, np.int64).T
    return row, column


def _expect(what: str, got: int, wanted: int) -> None:
    if got != wanted:
        raise ArrayRunError(f"{what} must be {wanted}, not {got}")


def _read_psums(job: ArrayJob, config: FTPConfig, folder: Path) -> tuple[Tensor, Tensor]:
    """Return the psums [T, M, N] and their cycles [M, N]."""
    cycles, fields = read_log(folder / "psums.log", array_psums_layout(config))
    row, column = _order(job, config, 1)
    _expect("psum results", len(cycles), len(row))
    if (fields["row"] != row % config.tppes).any():
        raise ArrayRunError("the rows of the psums are out of order")
    shape = (job.rows.shape[1], job.weights.shape[1])
    psums = np.zeros((config.timesteps, *shape), np.int64)
    psums[:, row, column] = fields["psums"].T
    times = np.zeros(shape, np.int64)
    times[row, column] = cycles
    return torch.from_numpy(psums), torch.from_numpy(times)


def _read_spikes(job: ArrayJob, config: FTPConfig, folder: Path) -> tuple[Tensor, Tensor]:
    """Expand the spike fibers; return the spikes [T, M, N] and their cycles [M, N]."""
    cycles, fields = read_log(folder / "fibers.log", fiber_layout(config), masks=("mask",))
    row, column = _order(job, config, config.chunk)
    end = fields["end"].astype(bool)
    _expect("spike chunks", int(end.sum()), len(row))
    if (fields["row"][end] != row % config.tppes).any():
        raise ArrayRunError("the rows of the spike fibers are out of order")
    mask, beat_values = fields["mask"][end], config.beat_values
    chunk = np.concatenate([[0], np.cumsum(end)[:-1]])  # of each beat
    beat = np.arange(len(end)) - np.concatenate([[0], np.flatnonzero(end) + 1])[chunk]
    left = mask.sum(axis=1)[chunk] - beat * beat_values
    values = fields["values"][np.arange(beat_values) < left[:, None]]
    _expect("packed lane words", len(values), int(mask.sum()))

    shape = (job.rows.shape[1], job.weights.shape[1])
    padded = (shape[0], -(-shape[1] // config.chunk) * config.chunk)
    words, times = np.zeros(padded, np.int64), np.zeros(padded, np.int64)
    index, position = np.nonzero(mask)
    words[row[index], column[index] + position] = values
    for index in range(config.chunk):
        times[row, column + index] = cycles[end]
    if words[:, shape[1]:].any():
        raise ArrayRunError("spikes came for neurons that do not exist")
    spikes = words[None, :, :shape[1]] >> np.arange(config.timesteps)[:, None, None] & 1
    return torch.from_numpy(spikes.astype(bool)), torch.from_numpy(times[:, :shape[1]])
