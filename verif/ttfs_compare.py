# SPDX-License-Identifier: Apache-2.0
"""Compare what the time-to-first-spike core said with the golden network."""

import numpy as np

from ..gen.compiler.ttfs_program import TTFSResult
from ..models.golden.ttfs_network import TTFSNetwork, TTFSTrace

__all__ = ["compare"]


def compare(network: TTFSNetwork, trace: TTFSTrace, index: int, result: TTFSResult) -> str:
    """Return the first difference between a result and image ``index`` of a trace, or nothing."""
    decision = int(trace.decisions[index])
    for field, found, wanted in (
            ("class", result.predicted, int(trace.classes[index])),
            ("decision", result.decision, decision),
            ("undecided", result.undecided, decision == network.silent)):
        if found != wanted:
            return f"image {index}: {field} must be {wanted}, not {found}"
    for layer, times in result.times.items():
        wanted = trace.times[layer][index].numpy()
        wrong = np.argwhere(times != wanted)
        if len(wrong):
            place = tuple(wrong[0].tolist())
            return (f"image {index}: time of {layer}{list(place)} must be {wanted[place]}, not "
                    f"{times[place]} ({len(wrong)} of {times.size} are wrong)")
    return ""
