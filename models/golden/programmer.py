# SPDX-License-Identifier: Apache-2.0
"""Write and verify: how many pulses and reads the conductances of a crossbar take."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...rtl.config import CrossbarConfig
from .checks import check_integers, check_range

__all__ = ["Programmed", "program", "pulse"]


@dataclass(frozen=True, eq=False)
class Programmed:
    """What programming left, and what it took.

    Attributes
    ----------
    values : Tensor[...]
        int64, conductances that the cells have now.
    pulses, verify_reads, failures : Tensor[...]
        int64, of each cell; a failure is a cell that did not reach its target.
    """

    values: Tensor
    pulses: Tensor
    verify_reads: Tensor
    failures: Tensor


def program(present: Tensor, targets: Tensor, config: CrossbarConfig) -> Programmed:
    """Bring each cell to its target, or near it.

    A cell is read; while it differs from its target, and fewer than ``max_pulses`` pulses were
    given, it gets a pulse towards the target, as strong as what is missing but at most of
    ``2**pulse_bits - 1``, and is read again.

    Parameters
    ----------
    present : Tensor[...]
        Integers, conductances so far.
    targets : Tensor[...]
        Integers, of the same shape.
    config : CrossbarConfig

    Raises
    ------
    GoldenError
        A conductance is out of range.
    """
    highest = (1 << config.cell_word_bits) - 1
    strongest = (1 << config.pulse_bits) - 1
    values, targets = check_integers("present", present), check_integers("targets", targets)
    for name, tensor in (("present", values), ("targets", targets)):
        check_range(name, tensor, 0, highest)
    pulses = torch.zeros_like(values)
    for _ in range(config.max_pulses):
        missing = targets - values
        values = pulse(values, missing.clamp(-strongest, strongest), config)
        pulses += missing != 0
    return Programmed(values, pulses, pulses + 1, (values != targets).to(torch.int64))


def pulse(present: Tensor, amplitudes: Tensor, config: CrossbarConfig) -> Tensor:
    """Give one programming pulse to each cell.

    A cell moves by ``a - (a >> pulse_loss)``, by ``a`` if ``pulse_loss`` is 0, and stays within
    the width of its word; a is the magnitude of the amplitude.

    Parameters
    ----------
    present : Tensor[...]
        Integers, conductances.
    amplitudes : Tensor[...]
        Integers; below 0 the pulse lowers the conductance.
    config : CrossbarConfig

    Returns
    -------
    Tensor[...]
        int64, the conductances after it.
    """
    magnitude = amplitudes.abs()
    moved = magnitude - (magnitude >> config.pulse_loss if config.pulse_loss else 0)
    return (present + amplitudes.sign() * moved).clamp(0, (1 << config.cell_word_bits) - 1)
