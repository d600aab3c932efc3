# SPDX-License-Identifier: Apache-2.0
"""MS-ResNets whose 3x3 convolutions are dense or four tensor-train cores: their layers.

A block adds its convolutions to a membrane, ``x' = x + norm(conv(LIF(norm(conv(LIF(x))))))``;
where the size changes, ``x`` goes through a 1x1 convolution of the membrane itself, which is
integers of 16 bits. Stem, these shortcuts and the readout are dense in each mode.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..golden.layer import IMAGE
from ..golden.plif import LIF
from ..nn.layer_config import Integers, LayerConfig, SourceConfig
from ..nn.layers import AnyConfig
from ..nn.membrane import MembraneConfig
from ..nn.quantization import RESIDUAL_EXPONENT
from ..nn.tensor_train import TensorTrain
from ..nn.tensor_train_layer import tensor_train_sources

__all__ = ["NEURON", "MsResNet"]

NEURON = LIF(shift=2, decay_input=False)  # a quarter of the membrane remains
_MEMBRANE = Integers(bits=16, exponent=RESIDUAL_EXPONENT)
_UNREAD = Integers(bits=1, exponent=RESIDUAL_EXPONENT, each_step=False)


@dataclass(frozen=True, kw_only=True)
class MsResNet:
    """Shape of an MS-ResNet.

    Parameters
    ----------
    inputs, side : int
        Channels, height and width of an image.
    stem : int
        Channels of the first convolution.
    stem_stride, stem_padding : int
        Of the first convolution, 3x3.
    blocks : tuple of tuple of int
        Output channels and stride of each block.
    classes : int
    timesteps : int
        ``T``.
    frames : bool
        Whether an image is spikes, another one at each timestep.
    """

    inputs: int
    side: int
    stem: int
    blocks: tuple[tuple[int, int], ...]
    classes: int
    timesteps: int
    stem_stride: int = 1
    stem_padding: int = 1
    frames: bool = False

    def layers(self, mode: str = "dense", ranks: Sequence[int] = ()) -> tuple[AnyConfig, ...]:
        """Return the layers.

        Parameters
        ----------
        mode : str
            ``dense``, or one of `nn.tensor_train.MODES`.
        ranks : sequence of int
            Of the two convolutions of each block, unless dense.

        Raises
        ------
        ValueError
            If mode or ranks do not fit.
        """
        count = 2 * len(self.blocks)
        if mode != "dense" and len(ranks) != count:
            raise ValueError(f"ranks must be {count}, two for each block, not {len(ranks)}")
        trains = [TensorTrain(mode=mode, rank=rank) if mode != "dense" else None  # type: ignore
                  for rank in (ranks if mode != "dense" else [1] * count)]
        return tuple(self._layers(trains))

    def _layers(self, trains: list[TensorTrain | None]) -> Iterator[AnyConfig]:
        image = SourceConfig(input=IMAGE, inputs=self.inputs, height=self.side, width=self.side,
                             stride=self.stem_stride, frames=self.frames,
                             padding=(self.stem_padding, self.stem_padding))
        side = (self.side + 2 * self.stem_padding - 3) // self.stem_stride + 1
        yield LayerConfig(name="stem", sources=(image,), outputs=self.stem, lif=NEURON,
                          keep_residual=True)
        given, channels = "stem", self.stem
        for number, (outputs, stride) in enumerate(self.blocks, 1):
            first, second = f"block{number}a", f"block{number}b"
            conv = self._conv(first, given, channels, outputs, side, stride,
                              trains[2 * number - 2])
            if (channels, 1) == (outputs, stride):
                added, layers = given, [conv]
            else:
                membrane, shortcut, again = self._shortcut(number, conv.sources[0], outputs)
                added, layers = again.name, [membrane, conv, shortcut, again]
            yield from layers
            side = (side - 1) // stride + 1
            yield self._conv(second, first, outputs, outputs, side, 1, trains[2 * number - 1],
                             residual=added, keep_residual=True)
            given, channels = second, outputs
        yield LayerConfig(name="readout", outputs=self.classes, lif=None, sources=(
            _point(given, channels, side, mean_pool=side),))

    def _shortcut(self, number: int, source: SourceConfig, outputs: int
                  ) -> tuple[MembraneConfig, LayerConfig, MembraneConfig]:
        """Return what makes a membrane fit another size: itself, a 1x1 convolution of it, that."""
        integers = replace(_MEMBRANE, each_step=self.frames or number > 1)
        membrane = MembraneConfig(
            name=f"{source.input}_membrane", kept=source.input, channels=source.inputs,
            height=source.height, width=source.width, integers=integers)
        point = _point(membrane.name, source.inputs, source.height, stride=source.stride,
                       integers=integers)
        shortcut = LayerConfig(name=f"block{number}_shortcut", sources=(point,), lif=None,
                               outputs=outputs, integers=_UNREAD, keep_residual=True)
        side = (source.height - 1) // source.stride + 1
        return membrane, shortcut, MembraneConfig(
            name=f"{shortcut.name}_kept", kept=shortcut.name, channels=outputs, height=side,
            width=side, integers=_UNREAD, keep_residual=True)

    def _conv(self, name: str, given: str, inputs: int, outputs: int, side: int, stride: int,
              train: TensorTrain | None, **fields) -> LayerConfig:
        source = SourceConfig(input=given, inputs=inputs, height=side, width=side, stride=stride)
        return LayerConfig(name=name, outputs=outputs, lif=NEURON, tensor_train=train,
                           sources=tensor_train_sources(source, train, self.timesteps), **fields)


def _point(given: str, channels: int, side: int, **fields) -> SourceConfig:
    """Return a 1x1 kernel."""
    return SourceConfig(input=given, inputs=channels, height=side, width=side, kernel=(1, 1),
                        padding=(0, 0), **fields)
