# SPDX-License-Identifier: Apache-2.0
"""Network of spike times as one ``.npz`` file, without pickle."""

import dataclasses
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from .errors import GoldenError, NetworkFileError
from .network_file import read_arrays
from .ttfs_layers import (
    TTFSAdd,
    TTFSConcat,
    TTFSDelay,
    TTFSFirst,
    TTFSLayer,
    TTFSMinPool,
    TTFSNeurons,
    TTFSSplit,
)
from .ttfs_network import TTFSNetwork

__all__ = ["load_ttfs", "save_ttfs"]

_FORMAT = "spikeloom-ttfs-1"
_KINDS: dict[str, type[TTFSLayer]] = {
    "first": TTFSFirst, "neurons": TTFSNeurons, "min_pool": TTFSMinPool, "delay": TTFSDelay,
    "add": TTFSAdd, "concat": TTFSConcat, "split": TTFSSplit,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class _Header(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    format: str
    name: str
    time_bits: int
    tau_shift: int
    guard_bits: int
    input_shape: tuple[int, int, int]
    layers: list[dict[str, Any]]


def save_ttfs(path: str | PathLike[str], network: TTFSNetwork,
              extra: dict[str, np.ndarray] | None = None) -> None:
    """Write a network; the same network gives the same bytes.

    Parameters
    ----------
    path : str or path
        The ``.npz`` file.
    network : TTFSNetwork
    extra : dict, optional
        Further arrays to store beside the network; `load_ttfs` does not look at them.
    """
    layers: list[dict[str, Any]] = []
    tensors: dict[str, np.ndarray] = {}
    for layer in network.layers:
        fields: dict[str, Any] = {"kind": _NAMES[type(layer)]}
        for item in dataclasses.fields(layer):
            value = getattr(layer, item.name)
            if isinstance(value, Tensor):
                wide = value.numel() and int(value.abs().max()) > 127
                tensors[f"{layer.name}.{item.name}"] = value.numpy().astype(
                    np.int32 if wide else np.int8)
            else:
                fields[item.name] = value
        layers.append(fields)
    header = _Header(format=_FORMAT, layers=layers, **{
        name: getattr(network, name)
        for name in ("name", "time_bits", "tau_shift", "guard_bits", "input_shape")})
    text = np.array(msgspec.json.encode(header).decode())
    arrays: dict[str, Any] = {"header": text} | tensors | (extra or {})
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_ttfs(path: str | PathLike[str]) -> TTFSNetwork:
    """Read a network.

    Raises
    ------
    NetworkFileError
        If the file is missing, or a field is missing, corrupt or does not fit the others.
    """
    arrays = read_arrays(path)
    try:
        header = msgspec.json.decode(str(arrays["header"]), type=_Header)
        if header.format != _FORMAT:
            raise NetworkFileError(f"format must be {_FORMAT!r}, not {header.format!r}")
        layers = tuple(_layer(arrays, fields) for fields in header.layers)
        return TTFSNetwork(
            name=header.name, time_bits=header.time_bits, tau_shift=header.tau_shift,
            guard_bits=header.guard_bits, input_shape=header.input_shape, layers=layers)
    except (GoldenError, KeyError, TypeError, AttributeError, msgspec.DecodeError) as error:
        raise NetworkFileError(f"{path}: header must describe a network: {error}") from error


def _layer(arrays: dict[str, np.ndarray], fields: dict[str, Any]) -> TTFSLayer:
    kind = _KINDS[fields.pop("kind")]
    fields["sources"] = tuple(fields["sources"])
    for item in dataclasses.fields(kind):
        if item.type is Tensor:
            array = arrays[f"{fields['name']}.{item.name}"]
            if array.dtype.kind != "i":
                raise NetworkFileError(f"{fields['name']}.{item.name} must hold integers, "
                                       f"not {array.dtype}")
            fields[item.name] = torch.from_numpy(array.astype(np.int64))
    return kind(**fields)
