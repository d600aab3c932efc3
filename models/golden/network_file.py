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
from msgspec import UNSET, UnsetType

from .errors import GoldenError, NetworkFileError
from .layer import PIXEL_BITS, AttentionLayer, IntegerLayer, PoolLayer, PsumLayer, Source
from .network import IntegerNetwork
from .plif import LIF

__all__ = ["load", "network_arrays", "read_arrays", "save"]

_FORMAT = "spikeloom-network-2"
_REQUANTIZE = ("multiplier", "shift")
_CORRUPT = (ValueError, OSError, EOFError, RuntimeError, KeyError, zipfile.BadZipFile,
            zlib.error, struct.error)  # what zipfile and numpy raise


class _Source(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    input: str
    height: int
    width: int
    stride: int
    padding: tuple[int, int]
    sum_pool: int
    groups: int


class _Attention(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    input: str
    height: int
    width: int
    heads: int
    chunk_steps: int


class _Pooling(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    pooled: str
    height: int
    width: int
    kind: Literal["max", "sum"]
    window: tuple[int, int]
    stride: int
    padding: tuple[int, int]


class _Layer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    sources: list[_Source] | UnsetType = UNSET
    attention: _Attention | UnsetType = UNSET
    pooling: _Pooling | UnsetType = UNSET
    lif: LIF | None
    requantize: bool
    residual: str | None
    keep_residual: bool
    pool: int
    drop_single: bool
    output: Literal["spikes", "integers", "readout"]
    out_bits: int
    out_signed: bool
    weight_bits: int | UnsetType = UNSET
    input_bits: int | UnsetType = UNSET
    input_signed: bool | UnsetType = UNSET


_KINDS: dict[type[PsumLayer], tuple[str, ...]] = {  # fields of a layer that only one kind has
    IntegerLayer: ("sources", "weight_bits", "input_bits", "input_signed"),
    AttentionLayer: ("attention",),
    PoolLayer: ("pooling",),
}


class _Header(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    format: str
    name: str
    timesteps: int
    input_shape: tuple[int, int, int]
    layers: list[_Layer]
    input_bits: int = PIXEL_BITS


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
    header = _Header(format=_FORMAT, name=network.name, timesteps=network.timesteps,
                     input_shape=network.input_shape, input_bits=network.input_bits,
                     layers=[*map(_describe, network.layers)])
    arrays = {"header": np.array(msgspec.json.encode(header).decode())}
    for layer in network.layers:
        for index, source in enumerate(_sources(layer)):
            arrays[f"{layer.name}.weight.{index}"] = source.weight.numpy().astype(np.int8)
        tables = {"bias": layer.bias, "threshold": layer.threshold}
        if layer.requantize is not None:
            tables |= dict(zip(_REQUANTIZE, layer.requantize, strict=True))
        for field, table in tables.items():
            if table is not None:
                arrays[f"{layer.name}.{field}"] = table.numpy().astype(np.int32)
    return arrays


def _sources(layer: PsumLayer) -> tuple[Source, ...]:
    return layer.sources if isinstance(layer, IntegerLayer) else ()


def _describe(layer: PsumLayer) -> _Layer:
    fields: dict[str, Any] = _taken(_Layer, layer)
    fields["requantize"] = layer.requantize is not None
    if isinstance(layer, AttentionLayer):
        fields["attention"] = _Attention(**_taken(_Attention, layer))
    elif isinstance(layer, PoolLayer):
        fields["pooling"] = _Pooling(**_taken(_Pooling, layer))
    else:
        fields["sources"] = [_Source(**_taken(_Source, source)) for source in _sources(layer)]
    return _Layer(**fields)


def _taken(struct: type[msgspec.Struct], given: object) -> dict[str, Any]:
    """Return those fields of a struct that an object has."""
    return {field: getattr(given, field) for field in struct.__struct_fields__
            if hasattr(given, field)}


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
        return IntegerNetwork(name=header.name, timesteps=header.timesteps, layers=layers,
                              input_shape=header.input_shape, input_bits=header.input_bits)
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
           layer: _Layer) -> PsumLayer:
    def tensor(field: str, rank: int = 1) -> torch.Tensor:
        array = _array(path, arrays, f"{layer.name}.{field}", "i", rank)
        return torch.from_numpy(array.astype(np.int64))

    fields = {field: value for field, value in msgspec.structs.asdict(layer).items()
              if value is not UNSET}
    found = [name for names in _KINDS.values() for name in names if name in fields]
    kind = next((kind for kind, names in _KINDS.items() if [*names] == found), None)
    if kind is None:
        raise NetworkFileError(f"{path}: {layer.name} must have "
                               f"{', or '.join(map(', '.join, _KINDS.values()))}, "
                               f"not {', '.join(found) or 'none of them'}")
    multiplier, shift = map(tensor, _REQUANTIZE) if layer.requantize else (None, None)
    fields |= {
        "bias": tensor("bias"), "threshold": tensor("threshold") if layer.lif else None,
        "requantize": None if multiplier is None or shift is None else (multiplier, shift)}
    product = fields.pop(_KINDS[kind][0])
    if kind is IntegerLayer:
        return IntegerLayer(**fields, sources=tuple(
            Source(weight=tensor(f"weight.{index}", 4), **msgspec.structs.asdict(source))
            for index, source in enumerate(product)))
    return kind(**fields, **msgspec.structs.asdict(product))


def _array(path: str | PathLike[str], arrays: dict[str, np.ndarray], field: str, kind: str,
           rank: int) -> np.ndarray:
    if field not in arrays:
        raise NetworkFileError(f"{path}: {field} must be present, not missing")
    array = arrays[field]
    if array.dtype.kind != kind or array.ndim != rank:
        raise NetworkFileError(f"{path}: {field} must be of type {kind!r} and rank {rank}, not "
                               f"{array.dtype.kind!r} and rank {array.ndim}")
    return array
