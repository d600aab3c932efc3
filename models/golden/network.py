# SPDX-License-Identifier: Apache-2.0
"""Integer golden graph of a spiking network: what the hardware must compute, bit for bit."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_int
from .errors import GoldenError, NetworkError
from .layer import IntegerLayer

__all__ = ["IntegerNetwork", "LayerTrace", "Trace"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerTrace:
    """What one layer took in and gave out.

    Parameters
    ----------
    name : str
        The layer.
    rows : Tensor[T, M, K]
        Input rows: bool, or int64 pixels for the encoder.
    psums : Tensor[T, M, N]
        int64, signed, without bias.
    spikes : Tensor[T, M, N] or None
        bool, before pooling; None for the readout.
    """

    name: str
    rows: Tensor
    psums: Tensor
    spikes: Tensor | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What a network computed for some images.

    Parameters
    ----------
    layers : tuple of LayerTrace
        In order.
    logits : Tensor[B, classes]
        int64; the readout's currents summed over the timesteps.
    """

    layers: tuple[LayerTrace, ...]
    logits: Tensor

    def __getitem__(self, name: str) -> LayerTrace:
        """Return the trace of the layer of that name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise NetworkError(f"layer must be one of {', '.join(x.name for x in self.layers)}, "
                           f"not {name!r}")


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNetwork:
    """Spiking network of integers: an encoder, layers of spikes, a readout.

    Parameters
    ----------
    name : str
        Of the network.
    timesteps : int
        ``T``, 1..16.
    layers : tuple of IntegerLayer
        The first is the encoder, the last the readout.

    Raises
    ------
    NetworkError
        If the layers do not fit together.
    """

    name: str
    timesteps: int
    layers: tuple[IntegerLayer, ...]

    def __post_init__(self) -> None:
        check_int("timesteps", self.timesteps, 1, 16)
        if len(self.layers) < 2 or not self.layers[0].encoder or self.layers[-1].lif:
            raise NetworkError(f"{self.name} must be an encoder, layers of spikes and a readout")
        for layer, following in zip(self.layers, self.layers[1:], strict=False):
            if following.encoder or layer.lif is None:
                raise NetworkError(f"{following.name} must be neither an encoder nor behind a "
                                   f"readout")
            if layer.outputs != following.inputs:
                raise NetworkError(f"inputs of {following.name} must be {layer.outputs}, "
                                   f"as {layer.name} gives, not {following.inputs}")
        if len({layer.name for layer in self.layers}) != len(self.layers):
            raise NetworkError(f"layer names of {self.name} must differ")

    @property
    def weight_bits(self) -> int:
        """Bits of the widest layer's weights."""
        return max(layer.weight_bits for layer in self.layers)

    @property
    def sparsity(self) -> float:
        """Share of all weights that are zero."""
        zeros = sum(int((layer.weight == 0).sum()) for layer in self.layers)
        return zeros / sum(layer.weight.numel() for layer in self.layers)

    def encode(self, images: Tensor) -> Tensor:
        """Run the encoder: pixels to the input spikes of the second layer.

        Parameters
        ----------
        images : Tensor[B, H, W]
            uint8.

        Returns
        -------
        Tensor[T, B, C, H', W']
            bool.

        Raises
        ------
        GoldenError
            If the images do not fit the encoder.
        """
        return self._encode(images)[1]

    def run(self, images: Tensor) -> Trace:
        """Run the network and keep what each layer took in and gave out.

        Parameters
        ----------
        images : Tensor[B, H, W]
            uint8.

        Returns
        -------
        Trace

        Raises
        ------
        GoldenError
            If the images do not fit the encoder.
        """
        first, maps = self._encode(images)
        traces = [first]
        for layer in self.layers[1:-1]:
            rows = layer.rows(maps)
            psums = layer.psums(rows)
            spikes = layer.spikes(psums)
            maps = layer.spatial(spikes, len(images))
            traces.append(LayerTrace(name=layer.name, rows=rows, psums=psums, spikes=spikes))
        readout = self.layers[-1]
        rows = readout.rows(maps)
        psums = readout.psums(rows)
        traces.append(LayerTrace(name=readout.name, rows=rows, psums=psums, spikes=None))
        return Trace(layers=tuple(traces), logits=psums.sum(0) + self.timesteps * readout.bias)

    def predict(self, images: Tensor, batch: int = 10) -> Tensor:
        """Classify images: the class of the largest logit, the first of equals.

        Parameters
        ----------
        images : Tensor[B, H, W]
            uint8.
        batch : int
            Images run at once.

        Returns
        -------
        Tensor[B]
            int64.
        """
        return torch.cat([self.run(part).logits.argmax(1) for part in images.split(batch)])

    def _encode(self, images: Tensor) -> tuple[LayerTrace, Tensor]:
        encoder = self.layers[0]
        channels, height, width = encoder.inputs
        if images.dtype != torch.uint8 or images.shape[1:] != (height, width) or channels != 1:
            raise GoldenError(f"images must be uint8[B, {height}, {width}], not "
                              f"{images.dtype}{list(images.shape)}")
        rows = encoder.rows(images.to(torch.int64)[None, :, None])
        psums = encoder.psums(rows)
        rows, psums = (x.expand(self.timesteps, -1, -1) for x in (rows, psums))
        spikes = encoder.spikes(psums)
        trace = LayerTrace(name=encoder.name, rows=rows, psums=psums, spikes=spikes)
        return trace, encoder.spatial(spikes, len(images))
