# SPDX-License-Identifier: Apache-2.0
"""Integer golden graph of a spiking network: what the hardware must compute, bit for bit."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_int
from .errors import GoldenError, NetworkError
from .lane_word import MAX_TIMESTEPS, unpack
from .layer import IMAGE, PIXEL_BITS, IntegerLayer, Source

__all__ = ["IntegerNetwork", "LayerTrace", "Trace"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerTrace:
    """What one layer took in and gave out.

    Parameters
    ----------
    name : str
        The layer.
    rows : Tensor[T, M, K]
        Input rows: bool, or int64 if the layer reads integers.
    psums : Tensor[T, M, N]
        int64, signed, without bias.
    currents : Tensor[T, M, N]
        int64, after bias, requantization and residual; what a kept residual holds.
    spikes : Tensor[T, M, N] or None
        bool, before pooling; None unless the output is spikes.
    maps : Tensor[T, B, N, H', W'] or None
        The stored output: spikes after pooling, without dropped words, or integers; None for
        the readout.
    """

    name: str
    rows: Tensor
    psums: Tensor
    currents: Tensor
    spikes: Tensor | None
    maps: Tensor | None


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

    @property
    def predictions(self) -> Tensor:
        """Class of the largest logit, the first of equals; int64[B]."""
        classes = torch.arange(self.logits.shape[1]).expand_as(self.logits)
        best = self.logits == self.logits.amax(1, keepdim=True)
        return classes.masked_fill(~best, self.logits.shape[1]).amin(1)

    def __getitem__(self, name: str) -> LayerTrace:
        """Return the trace of the layer of that name."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise NetworkError(f"layer must be one of {', '.join(x.name for x in self.layers)}, "
                           f"not {name!r}")


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNetwork:
    """Spiking network of integers: layers that read images, spikes or integers, and a readout.

    Parameters
    ----------
    name : str
        Of the network.
    timesteps : int
        ``T``, 1..16.
    layers : tuple of IntegerLayer
        In the order in which they are computed; a layer reads earlier ones. The last is the
        readout.
    input_shape : tuple of int
        Channels, height and width of an image.
    events : bool
        Whether bit ``t`` of a pixel is a spike at timestep ``t``, 8 timesteps at most; else
        pixels are integers of 8 bits, the same at each timestep.

    Raises
    ------
    NetworkError
        If the layers do not fit together.
    """

    name: str
    timesteps: int
    layers: tuple[IntegerLayer, ...]
    input_shape: tuple[int, int, int]
    events: bool = False

    def __post_init__(self) -> None:
        check_int("timesteps", self.timesteps, 1, PIXEL_BITS if self.events else MAX_TIMESTEPS)
        for index in range(3):
            check_int(f"input_shape[{index}]", self.input_shape[index], 1, 4096)
        outputs = [layer.output for layer in self.layers]
        if outputs.count("readout") != 1 or outputs[-1] != "readout":
            raise NetworkError(f"{self.name} must end in its one readout, not give out "
                               f"{', '.join(outputs) or 'nothing'}")
        known: dict[str, IntegerLayer] = {}
        for layer in self.layers:
            if layer.name in known or layer.name in ("", IMAGE):
                raise NetworkError(f"layer names of {self.name} must differ, and be neither "
                                   f"empty nor {IMAGE!r}, not {layer.name!r}")
            for source in layer.sources:
                self._check_source(layer, source, known)
            if layer.residual is not None:
                self._check_residual(layer, known)
            if layer.crossbars is not None:
                check_int(f"{layer.name}: timesteps of crossbars",
                          layer.crossbars.config.timesteps, self.timesteps, self.timesteps)
            known[layer.name] = layer

    def _check_source(self, layer: IntegerLayer, source: Source,
                      known: dict[str, IntegerLayer]) -> None:
        given = known.get(source.input)
        if given is None and source.input != IMAGE:
            raise NetworkError(f"{layer.name}: source must be {IMAGE!r} or an earlier layer "
                               f"({', '.join(known)}), not {source.input!r}")
        if given is None:
            shape, bits = self.input_shape, PIXEL_BITS * (not self.events)
            signed = steps = False
        elif given.output == "integers":
            shape, bits, signed = given.outputs, given.out_bits, given.out_signed
            steps = given.out_each_step
        else:
            shape, bits, signed, steps = given.outputs, 0, False, False
        for field, found, expected in (("inputs", source.inputs, shape),
                                       ("input_bits", layer.input_bits, bits),
                                       ("input_signed", layer.input_signed, signed),
                                       ("input_each_step", layer.input_each_step, steps)):
            if found != expected:
                raise NetworkError(f"{layer.name}: {field} must be {expected}, as "
                                   f"{source.input} gives, not {found}")
        if source.time_mask is not None:
            check_int(f"{layer.name}: time_mask of source {source.input}", source.time_mask, 1,
                      (1 << self.timesteps) - 1)

    def _check_residual(self, layer: IntegerLayer, known: dict[str, IntegerLayer]) -> None:
        kept = [name for name, other in known.items() if other.keep_residual]
        if layer.residual not in kept:
            raise NetworkError(f"{layer.name}: residual must be one of an earlier layer that "
                               f"keeps it ({', '.join(kept) or 'none'}), "
                               f"not {layer.residual!r}")
        given = known[layer.residual]
        for field in ("channels", "maps", "pool"):  # its order in memory follows from these
            found, expected = getattr(layer, field), getattr(given, field)
            if found != expected:
                raise NetworkError(f"{layer.name}: {field} must be {expected}, as of "
                                   f"{given.name}, whose residual it adds, not {found}")

    @property
    def weight_bits(self) -> int:
        """Bits of the widest layer's weights."""
        return max(layer.weight_bits for layer in self.layers)

    @property
    def sparsity(self) -> float:
        """Share of all weights that are zero."""
        return (sum(layer.zeros for layer in self.layers)
                / sum(layer.weights for layer in self.layers))

    def image_maps(self, images: Tensor) -> Tensor:
        """Arrange images as the maps that layers read.

        Parameters
        ----------
        images : Tensor[B, C, H, W] or Tensor[B, H, W]
            uint8; without channels if there is one only. Events have ``T`` bits.

        Returns
        -------
        Tensor[T, B, C, H, W]
            int64, the same at each timestep; bool if they are events.

        Raises
        ------
        GoldenError
            If the images do not fit.
        """
        channels, height, width = self.input_shape
        shapes = [self.input_shape] + [(height, width)] * (channels == 1)
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) not in shapes:
            raise GoldenError(f"images must be uint8[B, {', '.join(map(str, shapes[-1]))}], not "
                              f"{images.dtype}{list(images.shape)}")
        maps = images.reshape(len(images), *self.input_shape).to(torch.int64)
        if self.events:
            return unpack(maps, self.timesteps)
        return maps.expand(self.timesteps, *maps.shape)

    def run(self, images: Tensor) -> Trace:
        """Run the network and keep what each layer took in and gave out.

        Parameters
        ----------
        images : Tensor[B, C, H, W] or Tensor[B, H, W]
            uint8; without channels if there is one only.

        Returns
        -------
        Trace

        Raises
        ------
        GoldenError
            If the images do not fit.
        """
        maps = {IMAGE: self.image_maps(images)}
        traces: dict[str, LayerTrace] = {}
        for layer in self.layers:
            inputs = [maps[source.input] for source in layer.sources]
            residual = traces[layer.residual].currents if layer.residual else None
            traces[layer.name] = trace = _run_layer(layer, inputs, residual, len(images))
            if trace.maps is not None:
                maps[layer.name] = trace.maps
        *_, readout = traces.values()
        return Trace(layers=tuple(traces.values()), logits=readout.currents.sum(0))

    def predict(self, images: Tensor, batch: int = 10) -> Tensor:
        """Classify images: the class of the largest logit, the first of equals.

        Parameters
        ----------
        images : Tensor[B, C, H, W] or Tensor[B, H, W]
            uint8; without channels if there is one only.
        batch : int
            Images run at once.

        Returns
        -------
        Tensor[B]
            int64.
        """
        return torch.cat([self.run(part).predictions for part in images.split(batch)])


def _run_layer(layer: IntegerLayer, inputs: list[Tensor], residual: Tensor | None,
               batch: int) -> LayerTrace:
    steps = len(inputs[0])
    if layer.input_bits and not layer.input_each_step:  # one product
        rows = layer.rows([maps[:1] for maps in inputs])
        psums = layer.psums(rows)
        rows, psums = (x.expand(steps, -1, -1) for x in (rows, psums))
    else:
        rows = layer.rows(inputs)
        psums = layer.psums(rows)
    currents = layer.currents(psums, residual)
    spikes = layer.spikes(currents) if layer.output == "spikes" else None
    stored = None if layer.output == "readout" else layer.stored(
        currents if spikes is None else spikes, batch)
    return LayerTrace(name=layer.name, rows=rows, psums=psums, currents=currents, spikes=spikes,
                      maps=stored)
