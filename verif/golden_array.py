# SPDX-License-Identifier: Apache-2.0
"""The golden ops in place of the array, to test what runs networks on it."""

from pathlib import Path

import torch

from ..models.golden.ftp_array import count_matches, ftp_matmul
from ..models.golden.lane_word import pack
from ..models.golden.plif import plif
from ..rtl.config import FTPConfig
from .array_run import ArrayJob, ArrayResult

__all__ = ["run_on_golden"]


def run_on_golden(job: ArrayJob, config: FTPConfig, folder: Path) -> ArrayResult:
    """Return what the RTL would give out, one output neuron a cycle in order of row, column."""
    psums = ftp_matmul(job.rows, job.weights, config.psum_bits)
    cycles = torch.arange(psums[0].numel()).view(psums.shape[1:])
    spikes = None
    if job.lif and job.bias is not None and job.threshold is not None:
        spikes = plif(psums, job.bias, job.threshold, job.lif)
    counters = {"cycles": 10**6, "match": count_matches(pack(job.rows), job.weights), "idle": 7}
    return ArrayResult(psums=psums, psum_cycles=cycles, spikes=spikes,
                       spike_cycles=None if spikes is None else cycles, counters=counters)
