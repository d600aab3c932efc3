# SPDX-License-Identifier: Apache-2.0
"""Files of integer vision transformers: numbers in a header, tensors beside it."""

import dataclasses
import types
import typing
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from .errors import GoldenError, NetworkFileError
from .network_file import read_arrays
from .vit_network import VitNetwork

__all__ = ["load_vit", "save_vit"]

_FORMAT = "spikeloom-vit-1"


def save_vit(path: str | PathLike[str], network: VitNetwork) -> None:
    """Write a network; the same network gives the same bytes."""
    tensors: dict[str, np.ndarray] = {}
    header = {"format": _FORMAT, "network": _taken_apart(network, "", tensors)}
    arrays: dict[str, Any] = {"header": np.array(msgspec.json.encode(header).decode())} | tensors
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_vit(path: str | PathLike[str]) -> VitNetwork:
    """Read a network.

    Raises
    ------
    NetworkFileError
        If the file is missing, or a field is missing, corrupt or does not fit the others.
    """
    arrays = read_arrays(path)
    try:
        header = msgspec.json.decode(str(arrays["header"]), type=dict[str, Any])
        if header["format"] != _FORMAT:
            raise NetworkFileError(f"format must be {_FORMAT!r}, not {header['format']!r}")
        return _put_together(VitNetwork, header["network"], "", arrays)
    except (GoldenError, KeyError, TypeError, AttributeError, msgspec.DecodeError) as error:
        raise NetworkFileError(f"{path}: header must describe a network: {error}") from error


def _taken_apart(value: Any, name: str, tensors: dict[str, np.ndarray]) -> Any:
    """Return what the header says of a value; its tensors go beside it."""
    if dataclasses.is_dataclass(value):
        return {item.name: _taken_apart(getattr(value, item.name), f"{name}.{item.name}", tensors)
                for item in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_taken_apart(item, f"{name}.{index}", tensors)
                for index, item in enumerate(value)]
    if not isinstance(value, Tensor):
        return value
    wide = value.numel() and int(value.abs().max()) > 127
    tensors[name.removeprefix(".")] = value.numpy().astype(np.int32 if wide else np.int8)
    return "tensor"


def _put_together(kind: Any, value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    if typing.get_origin(kind) is types.UnionType:
        if value is None:
            return None
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) is tuple:
        kind = typing.get_args(kind)[0]
        return tuple(_put_together(kind, item, f"{name}.{index}", arrays)
                     for index, item in enumerate(value))
    if kind is Tensor:
        array = arrays[name.removeprefix(".")]
        if array.dtype.kind != "i":
            raise NetworkFileError(f"{name} must hold integers, not {array.dtype}")
        return torch.from_numpy(array.astype(np.int64))
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        return value
    make: Any = kind
    known = {item.name: item.type for item in dataclasses.fields(kind)}
    if value.keys() != known.keys():
        raise NetworkFileError(f"{name} must have the fields {', '.join(known)}, "
                               f"not {', '.join(value)}")
    return make(**{field: _put_together(known[field], item, f"{name}.{field}", arrays)
                   for field, item in value.items()})
