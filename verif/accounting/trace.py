# SPDX-License-Identifier: Apache-2.0
"""Traces: the input spikes of each layer, with the layers' geometry, lowered to workloads."""

import tomllib
import zlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from ...models.golden.checks import check_int, check_signed
from ...models.golden.conv import lower, weight_matrix
from ...models.golden.errors import GoldenError
from ...models.golden.lane_word import pack
from ...models.golden.network_file import read_arrays
from .workload import Workload

__all__ = ["ALEXNET", "Trace", "TraceError", "load_trace"]

_FOLDER = Path(__file__).parent
ALEXNET = _FOLDER / "alexnet_cifar10_spikes.npz", _FOLDER / "alexnet_cifar10.toml"
_INPUT, _WEIGHT = "_input", "_weight"


class TraceError(ValueError):
    """A trace or its geometry that cannot be used; the message names file, field and limit."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Layers of one network, ready to be counted or simulated.

    Parameters
    ----------
    name : str
    workloads : tuple of Workload
        In the order of the geometry; all of the same timesteps.
    notes : tuple of str
        What a report must say: arrays left out, weights placed at random.
    """

    name: str
    workloads: tuple[Workload, ...]
    notes: tuple[str, ...]


class _Layer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    channels: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    padding: int | tuple[int, int] = 0
    weights: str | None = None
    nonzeros: int | None = None


class _Geometry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    layers: list[_Layer]
    seed: int = 0


def load_trace(trace: Path, geometry: Path, *, weight_bits: int = 8) -> Trace:
    """Load the spikes of a trace and lower each layer that the geometry names.

    Parameters
    ----------
    trace : Path
        An ``.npz`` file with an array ``NAME_input`` for each layer: ``(T, C, H, W)``, or
        ``(T, C)`` for a linear one; 0 or 1.
    geometry : Path
        A TOML file: ``seed``, and a table ``[[layers]]`` for each layer with ``name``,
        ``channels`` (of the output), ``kernel``, ``stride``, ``padding``, and one of

        - ``weights``: an ``.npz`` file, beside the TOML file, with an integer array
          ``NAME_weight`` ``(N, C, kh, kw)``, or ``(N, C)``;
        - ``nonzeros``: how many weights are not zero. Positions and values are then random,
          evenly over the layer and the range of values, the same for the same seed and name.
    weight_bits : int
        2..8; each weight fits a signed number of these bits.

    Raises
    ------
    TraceError
        A file is missing or malformed; the message names the field, its value and the limit.
    """
    read = _read_geometry(geometry)
    arrays = _read(trace)
    names = [layer.name + _INPUT for layer in read.layers]
    notes = [f"array {name} of {trace.name} is ignored: no layer has that name"
             for name in arrays if name not in names]
    workloads = []
    try:
        check_int("weight_bits", weight_bits, 2, 8)
        for layer in read.layers:
            spikes = _spikes(arrays, layer.name)
            random = layer.nonzeros is not None
            if random:
                weight = _random_weight(layer, spikes.shape[2], read.seed, weight_bits)
                notes.append(f"{layer.name}: {layer.nonzeros} weights at random positions with "
                             f"random values, seed {read.seed}")
            else:
                weight = _stored_weight(layer, spikes.shape[2], geometry.parent)
            check_signed(layer.name + _WEIGHT, weight, weight_bits)
            workloads.append(_lowered(layer, spikes, weight))
    except GoldenError as error:
        raise TraceError(f"{trace}, {geometry}: {error}") from None
    for workload in workloads:
        if workload.timesteps != workloads[0].timesteps:
            raise TraceError(f"{trace}: timesteps of {workload.name} must be "
                             f"{workloads[0].timesteps}, as of {workloads[0].name}, not "
                             f"{workload.timesteps}")
    return Trace(name=trace.stem, workloads=tuple(workloads), notes=tuple(notes))


def _read_geometry(path: Path) -> _Geometry:
    try:
        geometry = msgspec.convert(tomllib.loads(path.read_text()), _Geometry)
        check_int("seed", geometry.seed, 0, (1 << 32) - 1)
        if not geometry.layers:
            raise GoldenError("layers must be at least one, not none")
        for layer in geometry.layers:
            _check_layer(layer)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError,
            GoldenError) as error:
        raise TraceError(f"{path}: {error}") from None
    names = [layer.name for layer in geometry.layers]
    for name in names:
        if names.count(name) > 1:
            raise TraceError(f"{path}: name must be another one in each layer, not {name!r} "
                             f"{names.count(name)} times")
    return geometry


def _check_layer(layer: _Layer) -> None:
    check_int(f"{layer.name}: channels", layer.channels, 1, 1 << 16)
    for kernel in _pair(layer.kernel):
        check_int(f"{layer.name}: kernel", kernel, 1, 255)
    check_int(f"{layer.name}: stride", layer.stride, 1, 255)
    for padding in _pair(layer.padding):
        check_int(f"{layer.name}: padding", padding, 0, 255)
    if (layer.weights is None) == (layer.nonzeros is None):
        raise GoldenError(f"{layer.name}: one of weights and nonzeros must be given, not "
                          f"{'both' if layer.weights else 'none'}")


def _pair(sides: int | tuple[int, int]) -> tuple[int, int]:
    return (sides, sides) if isinstance(sides, int) else sides


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise TraceError(f"{path} must be an .npz file, not missing")
    try:
        return read_arrays(path)
    except GoldenError as error:
        raise TraceError(str(error)) from None


def _array(arrays: dict[str, np.ndarray], name: str, kinds: str, ranks: tuple[int, ...],
           ) -> np.ndarray:
    if name not in arrays:
        raise GoldenError(f"{name} must be present, not missing; there are "
                          f"{', '.join(sorted(arrays)) or 'no arrays'}")
    array = arrays[name]
    if array.dtype.kind not in kinds:
        raise GoldenError(f"{name} must be of {'numbers' if 'f' in kinds else 'integers'}, not "
                          f"of {array.dtype}")
    if array.ndim not in ranks or not array.size:
        raise GoldenError(f"{name} must be of rank {' or '.join(map(str, ranks))} and not "
                          f"empty, not of shape {array.shape}")
    return array


def _spikes(arrays: dict[str, np.ndarray], name: str) -> Tensor:
    """Return the input of a layer, bool[T, 1, C, H, W]."""
    array = _array(arrays, name + _INPUT, "biuf", (2, 4))
    wrong = array[(array != 0) & (array != 1)]
    if wrong.size:
        raise GoldenError(f"{name}{_INPUT} must be 0 or 1, not {wrong[0]}")
    steps, channels, height, width = array.shape + (1, 1) * (array.ndim == 2)
    return torch.from_numpy(array != 0).reshape(steps, 1, channels, height, width)


def _stored_weight(layer: _Layer, channels: int, folder: Path) -> Tensor:
    path = folder / str(layer.weights)
    array = _array(_read(path), layer.name + _WEIGHT, "iu", (2, 4))
    expected = (layer.channels, channels, *_pair(layer.kernel))
    shape = array.shape + (1, 1) * (array.ndim == 2)
    if shape != expected:
        raise GoldenError(f"{layer.name}{_WEIGHT} must be of shape {expected}, not {shape}")
    return torch.from_numpy(array.astype(np.int64)).reshape(expected)


def _random_weight(layer: _Layer, channels: int, seed: int, bits: int) -> Tensor:
    shape = (layer.channels, channels, *_pair(layer.kernel))
    count = int(np.prod(shape))
    nonzeros = layer.nonzeros or 0
    check_int(f"{layer.name}: nonzeros", nonzeros, 0, count)
    rng = np.random.default_rng([seed, zlib.crc32(layer.name.encode())])
    flat = np.zeros(count, np.int64)
    values = rng.integers(1, 1 << (bits - 1), nonzeros) * rng.choice([-1, 1], nonzeros)
    flat[rng.choice(count, nonzeros, replace=False)] = values
    return torch.from_numpy(flat.reshape(shape))


def _lowered(layer: _Layer, spikes: Tensor, weight: Tensor) -> Workload:
    try:
        rows = lower(spikes, layer.kernel, layer.stride, layer.padding)
        words = pack(rows)
    except GoldenError as error:
        raise GoldenError(f"{layer.name}: {error}") from None
    return Workload(name=layer.name, words=words, weights=weight_matrix(weight),
                    timesteps=len(rows), taps=weight.shape[2] * weight.shape[3])
