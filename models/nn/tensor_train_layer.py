# SPDX-License-Identifier: Apache-2.0
"""Trainable layers whose kernel is four tensor-train cores, and networks that have some."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from .layer_config import LayerConfig, SourceConfig
from .layers import AnyConfig, SpikingLayer, SpikingNetwork, build_layer
from .tensor_train import TensorTrain, chain, core_shapes, merge, short_chain, short_merge

__all__ = ["TensorTrainLayer", "floating_network", "tensor_train_sources"]


def tensor_train_sources(source: SourceConfig, train: TensorTrain | None, timesteps: int,
                         full_steps: int | None = None) -> tuple[SourceConfig, ...]:
    """Return the sources of a layer of cores: those of the merged layer.

    Parameters
    ----------
    source : SourceConfig
        Of the dense layer, 3x3.
    train : TensorTrain or None
        None for the dense layer itself.
    timesteps : int
        ``T``.
    full_steps : int, optional
        Bit ``t``: whether all four cores run at timestep ``t`` in the mode ``htt``. The first
        half of the timesteps if not given.
    """
    if train is None or train.mode != "htt":
        return (source,)
    every = (1 << timesteps) - 1
    full = (1 << timesteps // 2) - 1 if full_steps is None else full_steps
    if not 0 < full < every:
        raise ValueError(f"full_steps must be in 1..{every - 1}, not {full}")
    return (replace(source, time_mask=full),
            replace(source, kernel=(1, 1), padding=(0, 0), time_mask=every & ~full))


class TensorTrainLayer(SpikingLayer):
    """Layer whose products are those of a chain of cores.

    Its second source, in the mode ``htt``, is the same input at the timesteps at which the
    middle cores are left out.

    Parameters
    ----------
    config : LayerConfig

    Raises
    ------
    ValueError
        If the sources are not those of `tensor_train_sources`.
    """

    def __init__(self, config: LayerConfig):
        train, source = config.tensor_train, config.sources[0]
        if train is None or source.kernel != (3, 3) or source.padding != (1, 1):
            raise ValueError(f"{config.name}: cores must make a kernel of 3x3 with padding, not "
                             f"{source.kernel} with {source.padding}")
        expected = 1 + (train.mode == "htt")
        if len(config.sources) != expected:
            raise ValueError(f"{config.name}: sources of a layer in the mode {train.mode} must "
                             f"be {expected}, not {len(config.sources)}")
        super().__init__(config)
        self.train_config = train
        self.weights = nn.ParameterList([
            nn.init.kaiming_normal_(torch.empty(shape))
            for shape in core_shapes(source.inputs, config.outputs, train.rank)])

    def synapse(self) -> tuple[list[Tensor], Tensor | None]:
        """Merged kernels of the sources, and no bias."""
        cores = list(self.weights)
        kernels = [merge(cores, self.train_config.mode), short_merge(cores)]
        return kernels[:len(self.config.sources)], None

    def convolved(self, inputs: Sequence[tuple[SourceConfig, Tensor]]) -> Tensor:
        """Return the products, Tensor[T * B, N, H, W], core after core."""
        (source, x), *short = inputs
        cores, mode = list(self.weights), self.train_config.mode
        if not short:
            return chain(_dense(x), cores, mode, source.stride)
        full = [t for t in range(len(x)) if cast(int, source.time_mask) >> t & 1]
        rest = [t for t in range(len(x)) if t not in full]
        parts = torch.cat([chain(_dense(x[full]), cores, mode, source.stride),
                           short_chain(_dense(x[rest]), cores, source.stride)])
        order = torch.tensor(full + rest).argsort()
        return parts.unflatten(0, x.shape[:2])[order].flatten(0, 1)


def floating_network(layers: Sequence[AnyConfig], timesteps: int) -> SpikingNetwork:
    """Return an untrained network, of layers with and without cores."""
    return SpikingNetwork([
        TensorTrainLayer(layer) if isinstance(layer, LayerConfig) and layer.tensor_train
        else build_layer(layer) for layer in layers], timesteps)


def _dense(x: Tensor) -> Tensor:
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
