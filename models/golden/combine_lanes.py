# SPDX-License-Identifier: Apache-2.0
"""Sums of bit planes: integer activations on hardware that joins single bits."""

import torch
from torch import Tensor

from .checks import check_integers
from .errors import GoldenError

__all__ = ["combine_lanes", "combine_steps"]

_LANES = 32  # of one integer at most


def combine_lanes(psums: Tensor, signed: bool) -> Tensor:
    """Add up the psums of bit planes, each with twice the weight of the one before.

    An integer activation of ``passes * T`` bits travels as ``passes`` lane words of ``T`` bits
    each; every lane is a plane of bits, and the matrix product is linear::

        x = sum over p and t of psum[p, t] << (p*T + t)

    where the topmost term is subtracted if ``signed``, as in two's complement.

    What it costs: a position becomes ``passes`` rows of the array, so a layer takes ``passes``
    times the cycles of a spike layer of the same shape, at the density of the planes: a lane
    word is silent only if all ``T`` of its bits are 0, and each word that is not costs one cycle
    for every weight it meets, however many of its bits are set. ``B``-bit integers take
    ``ceil(B / T)`` passes, so with ``B <= T`` an integer costs no more than a spike train.

    Parameters
    ----------
    psums : Tensor[T, passes, ...]
        Integers, signed.
    signed : bool
        Whether the topmost plane is negative.

    Returns
    -------
    Tensor[...]
        int64.

    Raises
    ------
    GoldenError
        If there are no lanes or more than 32, or a psum has more than 31 bits.
    """
    psums = _checked(psums)
    lanes = psums.shape[0] * psums.shape[1]
    return _sum_planes(psums.transpose(0, 1).reshape(lanes, *psums.shape[2:]), signed)


def combine_steps(psums: Tensor, signed: bool) -> Tensor:
    """Add up the psums of bit planes of each timestep: a lane word is one bit of all timesteps.

        x[t] = sum over p of psum[t, p] << p

    where the topmost term is subtracted if ``signed``. ``B``-bit integers take ``B`` passes.

    Parameters
    ----------
    psums : Tensor[T, passes, ...]
        Integers, signed.
    signed : bool
        Whether the topmost plane is negative.

    Returns
    -------
    Tensor[T, ...]
        int64.

    Raises
    ------
    GoldenError
        If there are no planes or more than 32, or a psum has more than 31 bits.
    """
    return _sum_planes(_checked(psums, of_each=True).transpose(0, 1), signed)


def _checked(psums: Tensor, of_each: bool = False) -> Tensor:
    psums = check_integers("psums", psums)
    lanes = psums.shape[1] * (1 if of_each else psums.shape[0]) if psums.ndim >= 2 else 0
    if not 1 <= lanes <= _LANES:
        raise GoldenError(f"lanes of psums must be 1..{_LANES}, not {lanes} in the shape "
                          f"{tuple(psums.shape)}")
    if psums.numel() and int(psums.abs().max()) >= 1 << 31:
        raise GoldenError(f"psums must be below 2**31 in magnitude, not {int(psums.abs().max())}")
    return psums


def _sum_planes(planes: Tensor, signed: bool) -> Tensor:
    total = torch.zeros(planes.shape[1:], dtype=torch.int64)
    for index, plane in enumerate(planes):
        term = plane << index
        total += -term if signed and index == len(planes) - 1 else term
    return total
