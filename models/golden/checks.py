# SPDX-License-Identifier: Apache-2.0
"""Operand checks shared by the golden models."""

import torch
from torch import Tensor

from .errors import GoldenError, PsumOverflowError

__all__ = ["check_bits", "check_int", "check_integers", "check_range", "check_rank",
           "check_signed", "check_table", "integer_limits"]

_INTEGER_DTYPES = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)


def check_int(name: str, value: int, low: int, high: int) -> None:
    """Raise `GoldenError` unless ``value`` is an int in ``low..high``."""
    if type(value) is not int or not low <= value <= high:
        raise GoldenError(f"{name} must be an int in {low}..{high}, not {value!r}")


def check_rank(name: str, tensor: Tensor, rank: int) -> None:
    """Raise `GoldenError` unless ``tensor`` has ``rank`` dimensions."""
    if tensor.ndim != rank:
        raise GoldenError(f"{name} must be of rank {rank}, not of shape {tuple(tensor.shape)}")


def check_integers(name: str, tensor: Tensor) -> Tensor:
    """Return ``tensor`` as int64; raise `GoldenError` unless it holds integers."""
    if tensor.dtype not in _INTEGER_DTYPES:
        raise GoldenError(f"{name} must be a tensor of integers, not of {tensor.dtype}")
    return tensor.to(torch.int64)


def check_range(name: str, tensor: Tensor, low: int, high: int) -> None:
    """Raise `GoldenError` unless each value is in ``low..high``."""
    wrong = tensor[(tensor < low) | (tensor > high)]
    if wrong.numel():
        raise GoldenError(f"{name} must be in {low}..{high}, not {int(wrong[0])}")


def check_table(name: str, tensor: Tensor, length: int) -> None:
    """Raise `GoldenError` unless ``tensor`` is int64, with one value for each channel."""
    if tensor.dtype != torch.int64:
        raise GoldenError(f"{name} must be int64, not {tensor.dtype}")
    if tensor.shape != (length,):
        raise GoldenError(f"{name} must be of shape ({length},), not {tuple(tensor.shape)}")


def check_bits(name: str, tensor: Tensor) -> Tensor:
    """Return ``tensor`` as bool; raise `GoldenError` unless it holds only 0 and 1."""
    if tensor.dtype == torch.bool:
        return tensor
    integers = check_integers(name, tensor)
    wrong = integers[(integers != 0) & (integers != 1)]
    if wrong.numel():
        raise GoldenError(f"{name} must be 0 or 1, not {int(wrong[0])}")
    return integers.to(torch.bool)


def check_signed(name: str, tensor: Tensor, bits: int) -> None:
    """Raise `PsumOverflowError` unless each integer fits a signed number of ``bits`` bits."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if not tensor.numel() or (int(tensor.min()) >= low and int(tensor.max()) <= high):
        return
    position = ((tensor < low) | (tensor > high)).nonzero()[0].tolist()
    raise PsumOverflowError(
        f"{name}{position} must be in {low}..{high} ({bits} bits signed), "
        f"not {int(tensor[tuple(position)])}")


def integer_limits(bits: int, signed: bool) -> tuple[int, int]:
    """Return the smallest and the largest integer of ``bits`` bits."""
    low = -(1 << (bits - 1)) if signed else 0
    return low, low + (1 << bits) - 1
