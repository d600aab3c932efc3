# SPDX-License-Identifier: Apache-2.0
"""Integer golden graph of a spiking network: what the hardware must compute, bit for bit."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_bits, check_int
from .conv import lift
from .errors import GoldenError, NetworkError
from .layer import IMAGE, PIXEL_BITS, AttentionLayer, IntegerLayer, PoolLayer, PsumLayer
from .source import MapReader

__all__ = ["IntegerNetwork", "LayerTrace", "Trace"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerTrace:
    """What one layer took in and gave out.

    Parameters
    ----------
    name : str
        The layer.
    rows : Tensor[T, M, K]
        Input rows: bool, or int64 if the layer reads integers, the same at each timestep, or
        pools residuals.
    psums : Tensor[T, M, N]
        int64, signed, without bias.
    currents : Tensor[T, M, N]
        int64, after bias, requantization and residual; what a kept residual holds.
    spikes : Tensor[T, M, N] or None
        bool, before pooling; None unless the output is spikes.
    maps : Tensor[T, B, N, H', W'] or None
        The stored output: spikes after pooling, without dropped words, or integers, the same
        at each timestep; None for the readout.
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
    layers : tuple of PsumLayer
        In the order in which they are computed; a layer reads earlier ones. The last is the
        readout.
    input_shape : tuple of int
        Channels, height and width of an image.
    input_bits : int
        8 for pixels, the same at each timestep; 0 for spikes, with an image of each timestep.

    Raises
    ------
    NetworkError
        If the layers do not fit together.
    """

    name: str
    timesteps: int
    layers: tuple[PsumLayer, ...]
    input_shape: tuple[int, int, int]
    input_bits: int = PIXEL_BITS

    def __post_init__(self) -> None:
        check_int("timesteps", self.timesteps, 1, 16)
        for index in range(3):
            check_int(f"input_shape[{index}]", self.input_shape[index], 1, 4096)
        if self.input_bits not in (0, PIXEL_BITS):
            raise NetworkError(f"input_bits must be 0 or {PIXEL_BITS}, not {self.input_bits}")
        outputs = [layer.output for layer in self.layers]
        if outputs.count("readout") != 1 or outputs[-1] != "readout":
            raise NetworkError(f"{self.name} must end in its one readout, not give out "
                               f"{', '.join(outputs) or 'nothing'}")
        known: dict[str, PsumLayer] = {}
        for layer in self.layers:
            if layer.name in known or layer.name in ("", IMAGE):
                raise NetworkError(f"layer names of {self.name} must differ, and be neither "
                                   f"empty nor {IMAGE!r}, not {layer.name!r}")
            for reader in layer.readers:
                self._check_reader(layer, reader, known)
            if layer.residual is not None:
                self._check_residual(layer, known)
            self._check_kind(layer, known)
            known[layer.name] = layer

    def _check_reader(self, layer: PsumLayer, reader: MapReader,
                      known: dict[str, PsumLayer]) -> None:
        given = known.get(reader.input)
        if given is None and reader.input != IMAGE:
            raise NetworkError(f"{layer.name}: source must be {IMAGE!r} or an earlier layer "
                               f"({', '.join(known)}), not {reader.input!r}")
        if given is None:
            shape, bits, signed = self.input_shape, self.input_bits, False
        elif given.output == "integers":
            shape, bits, signed = given.outputs, given.out_bits, given.out_signed
        else:
            shape, bits, signed = given.outputs, 0, False
        for field, found, expected in (("inputs", reader.inputs, shape),
                                       ("input_bits", reader.bits, bits),
                                       ("input_signed", reader.signed, signed)):
            if found != expected:
                raise NetworkError(f"{layer.name}: {field} must be {expected}, as "
                                   f"{reader.input} gives, not {found}")

    def _check_kind(self, layer: PsumLayer, known: dict[str, PsumLayer]) -> None:
        if isinstance(layer, IntegerLayer) and layer.crossbars is not None:
            check_int(f"{layer.name}: timesteps of crossbars",
                      layer.crossbars.config.timesteps, self.timesteps, self.timesteps)
        if isinstance(layer, AttentionLayer) and self.timesteps % layer.chunk_steps:
            raise NetworkError(f"{layer.name}: chunk_steps must divide the timesteps "
                               f"({self.timesteps}), not be {layer.chunk_steps}")
        if isinstance(layer, PoolLayer):
            given = _keeper(layer.name, "pooled", layer.pooled, known)
            for field, found, expected in (
                    ("channels", layer.channels, given.channels),
                    ("height and width", (layer.height, layer.width), given.maps)):
                if found != expected:
                    raise NetworkError(f"{layer.name}: {field} must be {expected}, as of "
                                       f"{given.name}, whose residual it pools, not {found}")

    def _check_residual(self, layer: PsumLayer, known: dict[str, PsumLayer]) -> None:
        given = _keeper(layer.name, "residual", layer.residual, known)
        for field in ("channels", "maps", "pool"):  # its order in memory follows from these
            found, expected = getattr(layer, field), getattr(given, field)
            if found != expected:
                raise NetworkError(f"{layer.name}: {field} must be {expected}, as of "
                                   f"{given.name}, whose residual it adds, not {found}")

    @property
    def products(self) -> tuple[IntegerLayer, ...]:
        """The layers with weights."""
        return tuple(layer for layer in self.layers if isinstance(layer, IntegerLayer))

    @property
    def weight_bits(self) -> int:
        """Bits of the widest layer's weights."""
        return max(layer.weight_bits for layer in self.products)

    @property
    def sparsity(self) -> float:
        """Share of all weights that are zero."""
        return (sum(layer.zeros for layer in self.products)
                / sum(layer.weights for layer in self.products))

    def image_maps(self, images: Tensor) -> Tensor:
        """Arrange images as the maps that layers read.

        Parameters
        ----------
        images : Tensor[B, C, H, W] or Tensor[B, H, W]
            uint8; without channels if there is one only. Spikes: Tensor[B, T, C, H, W], 0 or 1.

        Returns
        -------
        Tensor[T, B, C, H, W]
            int64, the same at each timestep; or bool, the spikes.

        Raises
        ------
        GoldenError
            If the images do not fit.
        """
        channels, height, width = self.input_shape
        shapes = [self.input_shape] + [(height, width)] * (channels == 1)
        if not self.input_bits:
            shapes = [(self.timesteps, *self.input_shape)]
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) not in shapes:
            raise GoldenError(f"images must be uint8[B, {', '.join(map(str, shapes[-1]))}], not "
                              f"{images.dtype}{list(images.shape)}")
        if not self.input_bits:
            return check_bits("images", images).transpose(0, 1)
        maps = images.reshape(len(images), *self.input_shape).to(torch.int64)
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
            if isinstance(layer, PoolLayer):
                inputs = [lift(traces[layer.pooled].currents, len(images), layer.height,
                               layer.width)]
            else:
                inputs = [maps[reader.input] for reader in layer.readers]
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


def _keeper(layer: str, field: str, name: str | None, known: dict[str, PsumLayer]) -> PsumLayer:
    """Return the earlier layer whose kept residual a field of a layer names."""
    kept = [other for other, given in known.items() if given.keep_residual]
    if name not in kept:
        raise NetworkError(f"{layer}: {field} must be one of an earlier layer that keeps it "
                           f"({', '.join(kept) or 'none'}), not {name!r}")
    return known[name]


def _run_layer(layer: PsumLayer, inputs: list[Tensor], residual: Tensor | None,
               batch: int) -> LayerTrace:
    steps = len(inputs[0])
    if any(reader.bits for reader in layer.readers):  # the same at each timestep: one product
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
