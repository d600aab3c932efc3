# SPDX-License-Identifier: Apache-2.0
"""Run frames through the time-to-first-spike core in its free-running bench."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..gen.compiler.ttfs_program import TTFSProgram, TTFSResult
from ..rtl.config import TTFSConfig
from .free_run import LOG, free_design, free_run

__all__ = ["TTFSRun", "run_frames", "run_images"]


@dataclass(frozen=True, kw_only=True)
class TTFSRun:
    """What a run of the core gave.

    Attributes
    ----------
    frames : list of ndarray[n]
        uint32; those that came.
    cycles : int
        Simulated in all.
    error : int
        What the core shows at its port.
    stuck : bool
        Whether nothing moved any more.
    """

    frames: list[np.ndarray]
    cycles: int
    error: int
    stuck: bool


def run_frames(config: TTFSConfig, frames: Sequence[np.ndarray], expected: int, folder: Path, *,
               gaps: int = 0, stalls: int = 0, verilog: str | None = None) -> TTFSRun:
    """Send frames and return those that come back.

    Parameters
    ----------
    frames : sequence of ndarray[n]
        uint32; the last word of each ends it.
    expected : int
        Frames to wait for.
    folder : Path
        Where the files go.
    gaps, stalls : int
        Shares, of 256, of cycles without an offer, and without a word taken.
    """
    words = (int(index == len(frame) - 1) << 32 | word
             for frame in frames for index, word in enumerate(frame.tolist()))
    design = free_design("ttfs_core", config, "ttfs_bench", verilog)
    result = free_run("ttfs_core", config, design, words, folder, gaps=gaps, stalls=stalls,
                      frames=expected)
    found: list[list[int]] = [[]]
    for line in (folder / LOG).read_text().split()[1::2]:
        found[-1].append(int(line, 16) & 0xFFFFFFFF)
        if int(line, 16) >> 32:
            found.append([])
    return TTFSRun(frames=[np.array(frame, np.uint32) for frame in found[:-1]],
                   cycles=result["cycle"], error=result["error"], stuck=bool(result["stuck"]))


def run_images(program: TTFSProgram, images: torch.Tensor, folder: Path, *,
               modes: Sequence[bool] = (False, True), gaps: int = 0,
               stalls: int = 0, verilog: str | None = None) -> dict[bool, list[TTFSResult]]:
    """Run each image in each mode, True with early exit, False to the end with all times.

    Raises
    ------
    AssertionError
        The core stopped or got stuck.
    """
    frames = [program.image_frame(image.numpy(), early_exit=mode, dump=not mode)
              for image in images for mode in modes]
    run = run_frames(program.config, [*program.frames, *frames], len(frames), folder,
                     gaps=gaps, stalls=stalls, verilog=verilog)
    if run.stuck or run.error or len(run.frames) != len(frames):
        raise AssertionError(f"{len(run.frames)} of {len(frames)} results, error {run.error}, "
                             f"{'stuck' if run.stuck else 'ended'} after {run.cycles} cycles")
    results = [program.result(frame) for frame in run.frames]
    return {mode: results[index::len(modes)] for index, mode in enumerate(modes)}
