# SPDX-License-Identifier: Apache-2.0
"""Integer network as one ``.npz`` file, without pickle."""

import io
import struct
import zipfile
import zlib
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch

from .errors import GoldenError, NetworkFileError
from .layer import IntegerLayer
from .network import IntegerNetwork
from .plif import LIF

__all__ = ["load", "network_arrays", "read_arrays", "save"]

_FORMAT = "spikeloom-network-1"
_CORRUPT = (ValueError, OSError, EOFError, RuntimeError, KeyError, zipfile.BadZipFile,
            zlib.error, struct.error)  # what zipfile and numpy raise


class _Layer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    kind: Literal["conv", "linear"]
    lif: LIF | None
    height: int
    width: int
    stride: int
    padding: int
    pool: int
    encoder: bool
    weight_bits: int


class _Header(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    format: str
    name: str
    timesteps: int
    layers: list[_Layer]


def save(path: str | PathLike[str], network: IntegerNetwork,
         extra: dict[str, np.ndarray] | None = None) -> None:
    """Write a network; the same network gives the same bytes.

    Parameters
    ----------
    path : str or path
        The ``.npz`` file.
    network : IntegerNetwork
    extra : dict, optional
        Further arrays to store beside the network; `load` does not look at them.
    """
    arrays: dict[str, Any] = network_arrays(network) | (extra or {})
    with Path(path).open("wb") as file:
        np.savez_compressed(file, **arrays)


def network_arrays(network: IntegerNetwork) -> dict[str, np.ndarray]:
    """Return the arrays that stand for a network: ``header`` (JSON) and a few a layer."""
    layers = [_Layer(**{field: getattr(layer, field) for field in _Layer.__struct_fields__})
              for layer in network.layers]
    header = _Header(format=_FORMAT, name=network.name, timesteps=network.timesteps, layers=layers)
    arrays = {"header": np.array(msgspec.json.encode(header).decode())}
    for layer in network.layers:
        arrays[f"{layer.name}.weight"] = layer.weight.numpy().astype(np.int8)
        arrays[f"{layer.name}.bias"] = layer.bias.numpy().astype(np.int32)
        if layer.threshold is not None:
            arrays[f"{layer.name}.threshold"] = layer.threshold.numpy().astype(np.int32)
    return arrays


def read_arrays(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file, without pickle.

    Raises
    ------
    NetworkFileError
        If the file is missing or a field is corrupt.
    """
    try:
        content = io.BytesIO(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise NetworkFileError(f"{path} must be a network file, not missing") from error
    field, arrays = "archive", {}
    try:
        with zipfile.ZipFile(content) as archive:
            for member in archive.namelist():
                field = member.removesuffix(".npy")
                array = io.BytesIO(archive.read(member))
                arrays[field] = np.lib.format.read_array(array, allow_pickle=False)
        return arrays
    except _CORRUPT as error:
        raise NetworkFileError(f"{path}: {field} must be readable without pickle, not corrupt "
                               f"({error})") from error


def load(path: str | PathLike[str]) -> IntegerNetwork:
    """Read a network.

    Raises
    ------
    NetworkFileError
        If the file is missing, or a field is missing, corrupt or does not fit the others.
    """
    arrays = read_arrays(path)
    header = _header(path, arrays)
    try:
        layers = tuple(_layer(path, arrays, layer) for layer in header.layers)
        return IntegerNetwork(name=header.name, timesteps=header.timesteps, layers=layers)
    except NetworkFileError:
        raise
    except GoldenError as error:
        raise NetworkFileError(f"{path}: {error}") from error


def _header(path: str | PathLike[str], arrays: dict[str, np.ndarray]) -> _Header:
    text = _array(path, arrays, "header", "U", 0)
    try:
        header = msgspec.json.decode(str(text), type=_Header)
    except (msgspec.DecodeError, GoldenError) as error:
        raise NetworkFileError(f"{path}: header must describe a network: {error}") from error
    if header.format != _FORMAT:
        raise NetworkFileError(f"{path}: format must be {_FORMAT!r}, not {header.format!r}")
    return header


def _layer(path: str | PathLike[str], arrays: dict[str, np.ndarray],
           layer: _Layer) -> IntegerLayer:
    def tensor(field: str, rank: int) -> torch.Tensor:
        array = _array(path, arrays, f"{layer.name}.{field}", "i", rank)
        return torch.from_numpy(array.astype(np.int64))

    return IntegerLayer(
        weight=tensor("weight", 4 if layer.kind == "conv" else 2), bias=tensor("bias", 1),
        threshold=tensor("threshold", 1) if layer.lif else None, **msgspec.structs.asdict(layer))


def _array(path: str | PathLike[str], arrays: dict[str, np.ndarray], field: str, kind: str,
           rank: int) -> np.ndarray:
    if field not in arrays:
        raise NetworkFileError(f"{path}: {field} must be present, not missing")
    array = arrays[field]
    if array.dtype.kind != kind or array.ndim != rank:
        raise NetworkFileError(f"{path}: {field} must be of type {kind!r} and rank {rank}, not "
                               f"{array.dtype.kind!r} and rank {array.ndim}")
    return array
