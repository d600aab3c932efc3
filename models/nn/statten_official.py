# SPDX-License-Identifier: Apache-2.0
"""Weights of the authors' STAtten implementation, by the names that they have there.

Their entries are those of https://github.com/Intelligent-Computing-Lab-Yale/STAtten: the stem is
``patch_embed``, blocks are ``block.N`` with ``attn`` and ``mlp``, and the head is ``head``.
"""

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from .layers import SpikingLayer, SpikingNetwork

__all__ = ["StateDictError", "load_official", "official_shapes"]

_NORM = ("weight", "bias", "running_mean", "running_var")
_STEM = {"stem0": "proj", "stem1": "proj1", "stem2": "proj2", "stem3": "proj3",
         "position": "rpe"}
_BLOCK = {"qkv": ("attn.q", "attn.k", "attn.v"), "projection": ("attn.proj",),
          "hidden": ("mlp.fc1",), "output": ("mlp.fc2",)}
_COUNTER = "num_batches_tracked"   # of each batch norm, not needed


class StateDictError(ValueError):
    """A state dict that does not fit the network; names the entry."""


def _convolutions(name: str) -> tuple[tuple[str, str], ...]:
    """Return the authors' names of convolution and batch norm, one pair for each part."""
    if name in _STEM:
        part = _STEM[name]
        stage = part.removeprefix("proj") if part != "rpe" else ""
        kind = "rpe" if part == "rpe" else "proj"
        return ((f"patch_embed.{kind}_conv{stage}", f"patch_embed.{kind}_bn{stage}"),)
    block, _, layer = name.partition(".")
    place = f"block.{block.removeprefix('block')}"
    return tuple((f"{place}.{part}_conv", f"{place}.{part}_bn") for part in _BLOCK[layer])


def _parts(network: SpikingNetwork) -> Iterator[tuple[SpikingLayer, int, int, str, str]]:
    """Yield each layer of a stem or a block, its output channels from, to, and their names."""
    for name, layer in network.trained.items():
        if layer.norm is None:
            continue
        pairs = _convolutions(name)
        count = layer.config.outputs // len(pairs)
        for index, (conv, norm) in enumerate(pairs):
            yield layer, index * count, (index + 1) * count, conv, norm


def official_shapes(network: SpikingNetwork) -> dict[str, tuple[int, ...]]:
    """Return the entries of the authors' state dict, with their shapes.

    Biases before a batch norm are among them, counters and what is unused are not.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, start, stop, conv, norm in _parts(network):
        shapes[f"{conv}.weight"] = (stop - start, *layer.weights[0].shape[1:])
        if _has_bias(conv):
            shapes[f"{conv}.bias"] = (stop - start,)
        shapes |= {f"{norm}.{field}": (stop - start,) for field in _NORM}
    head = network.trained["readout"]
    shapes["head.weight"] = tuple(head.weights[0].shape[:2])
    return shapes | {"head.bias": (head.config.outputs,)}


def _has_bias(conv: str) -> bool:
    return ".mlp." in conv or conv.endswith("attn.proj_conv")


@torch.no_grad()
def load_official(network: SpikingNetwork, state: Mapping[str, Tensor]) -> None:
    """Take the weights of the authors' implementation.

    A bias before a batch norm goes into the norm's mean. The convolution between heads,
    ``talking_heads``, is not used there either.

    Parameters
    ----------
    network : SpikingNetwork
        Of `statten_layers`.
    state : Mapping
        Their state dict; names may begin with ``module.``.

    Raises
    ------
    StateDictError
        If an entry is missing, not expected or of another shape; nothing is taken then.
    """
    given = {name.removeprefix("module."): value for name, value in state.items()}
    given = {name: value for name, value in given.items()
             if not name.endswith((f".{_COUNTER}", ".talking_heads.weight"))}
    _check(given, official_shapes(network))
    for layer, start, stop, conv, norm in _parts(network):
        layer.weights[0][start:stop] = given[f"{conv}.weight"]
        ours = cast(nn.BatchNorm2d, layer.norm)
        for field in _NORM:
            cast(Tensor, getattr(ours, field))[start:stop] = given[f"{norm}.{field}"]
        if _has_bias(conv):
            cast(Tensor, ours.running_mean)[start:stop] -= given[f"{conv}.bias"]
    head = network.trained["readout"]
    head.weights[0].copy_(given["head.weight"][..., None, None])
    cast(Tensor, head.bias).copy_(given["head.bias"])


def _check(given: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    for what, names in (("missing", shapes.keys() - given.keys()),
                        ("unexpected", given.keys() - shapes.keys())):
        if names:
            listed = sorted(names)
            raise StateDictError(f"state dict must have the entries of the network; {what}: "
                                 f"{', '.join(listed[:5])}"
                                 f"{f' and {len(listed) - 5} more' if len(listed) > 5 else ''}")
    for name, shape in shapes.items():
        if tuple(given[name].shape) != shape:
            raise StateDictError(f"{name} must be of shape {shape}, "
                                 f"not {tuple(given[name].shape)}")
