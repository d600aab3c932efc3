# SPDX-License-Identifier: Apache-2.0
"""Small integer networks with random weights that together use all that a layer can do."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..models.golden.layer import IntegerLayer
from ..models.golden.network import IntegerNetwork
from ..models.golden.plif import LIF
from ..models.golden.source import IMAGE, Source
from ..rtl.config import AcceleratorConfig

__all__ = ["RANDOM_NETWORKS", "RandomWeights", "fits", "random_images"]


class RandomWeights:
    """Random tensors for layers.

    Parameters
    ----------
    seed : int
    density : float
        Share of the weights that are not zero.
    """

    def __init__(self, seed: int, density: float = 0.4):
        self.generator = torch.Generator().manual_seed(seed)
        self.density = density

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Return integers in ``low..high``."""
        return torch.randint(low, high + 1, shape, generator=self.generator)

    def weight(self, *shape: int) -> Tensor:
        """Return sparse weights of 5 bits."""
        keep = torch.rand(shape, generator=self.generator) < self.density
        return self.integers(-16, 15, *shape) * keep

    def source(self, given: str, shape: tuple[int, int, int], channels: int,
               kernel: tuple[int, int], **options) -> Source:
        """Return a source with a random kernel."""
        depth, height, width = shape
        groups = options.get("groups", 1)
        return Source(input=given, weight=self.weight(channels, depth // groups, *kernel),
                      height=height, width=width, **options)

    def layer(self, name: str, *sources: Source, reach: int = 20, **options) -> IntegerLayer:
        """Return a layer.

        Bias and threshold are about as large as ``reach``; ``shifts`` are the limits of those
        of a requantization.
        """
        channels = sources[0].weight.shape[0]
        if options.get("output", "spikes") == "spikes":
            options = {"threshold": self.integers(1, reach, channels), "lif": LIF()} | options
        if shifts := options.pop("shifts", None):
            options["requantize"] = (self.integers(1000, 40000, channels),
                                     self.integers(*shifts, channels))
        return IntegerLayer(name=name, sources=sources, weight_bits=5,
                            bias=self.integers(-reach // 4, reach // 2, channels), **options)


def _two_sources(weights: RandomWeights, timesteps: int) -> IntegerNetwork:
    """Return one with pooling, rectangles, a shortcut of spikes, and average pooling."""
    image = (3, 9, 8)
    a = weights.layer("a", weights.source(IMAGE, image, 10, (3, 3), padding=(1, 1)), pool=2,
                      input_bits=8, reach=3000)
    b = weights.layer("b", weights.source("a", a.outputs, 10, (1, 3), padding=(0, 1)),
                      lif=LIF(gain=2, shift=2, reset="soft", decay_input=False))
    c = weights.layer("c", weights.source("b", b.outputs, 10, (3, 2), padding=(1, 0), stride=1),
                      weights.source("a", a.outputs, 10, (3, 2), padding=(1, 0), groups=10),
                      drop_single=True)
    d = weights.layer("d", weights.source("c", c.outputs, 20, (2, 1), stride=2, padding=(1, 0)),
                      pool=2)
    e = weights.layer("e", weights.source("a", a.outputs, 6, (2, 2), sum_pool=2),
                      weights.source("d", d.outputs, 6, d.outputs[1:]))
    out = weights.layer("out", weights.source("e", e.outputs, 5, e.outputs[1:]),
                        output="readout")
    return IntegerNetwork(name="two_sources", timesteps=timesteps, layers=(a, b, c, d, e, out),
                          input_shape=image)


def _residuals(weights: RandomWeights, timesteps: int) -> IntegerNetwork:
    """Return one with membrane shortcuts, also from a layer that reads integers."""
    image = (2, 6, 7)
    a = weights.layer("a", weights.source(IMAGE, image, 18, (3, 3), padding=(1, 1)), input_bits=8,
                      reach=1000, shifts=(14, 17), keep_residual=True, pool=2)
    near = (18, 3, 3)
    b = weights.layer("b", weights.source(IMAGE, image, 18, (3, 3), padding=(1, 1)), input_bits=8,
                      reach=1000, shifts=(14, 17), residual="a", keep_residual=True, pool=2)
    c = weights.layer("c", weights.source("b", near, 18, (3, 3), padding=(1, 1)), shifts=(14, 17),
                      keep_residual=True)
    d = weights.layer("d", weights.source("c", near, 18, (3, 3), padding=(1, 1)), residual="c")
    out = weights.layer("out", weights.source("d", near, 4, (1, 1), sum_pool=3),
                        output="readout", shifts=(14, 17))
    return IntegerNetwork(name="residuals", timesteps=timesteps, layers=(a, b, c, d, out),
                          input_shape=image)


def _integers(weights: RandomWeights, timesteps: int) -> IntegerNetwork:
    """Return one whose layers hand on signed and unsigned integers."""
    image = (1, 7, 6)
    a = weights.layer("a", weights.source(IMAGE, image, 9, (2, 3), stride=2), input_bits=8,
                      output="integers", out_bits=5, out_signed=True, shifts=(20, 23))
    b = weights.layer("b", weights.source("a", a.outputs, 9, (3, 3), padding=(1, 1)),
                      input_bits=5, input_signed=True, output="integers", out_bits=6, reach=100)
    c = weights.layer("c", weights.source("b", b.outputs, 11, (1, 2)), input_bits=6)
    out = weights.layer("out", weights.source("a", a.outputs, 3, a.outputs[1:]), input_bits=5,
                        input_signed=True, output="readout")
    d = weights.layer("d", weights.source("c", c.outputs, 3, c.outputs[1:]), output="integers",
                      out_bits=4)
    return IntegerNetwork(name="integers", timesteps=timesteps, layers=(a, b, c, d, out),
                          input_shape=image)


def _masks(weights: RandomWeights, timesteps: int) -> IntegerNetwork:
    """Return one of spikes whose kernels act at some timesteps only."""
    image, every = (3, 6, 7), (1 << timesteps) - 1
    early, late = every >> timesteps // 2, every & ~(every >> timesteps // 2)
    a = weights.layer("a", weights.source(IMAGE, image, 9, (3, 3), padding=(1, 1)), reach=10)
    b = weights.layer("b", weights.source("a", a.outputs, 18, (3, 3), stride=2, padding=(1, 1),
                                          time_mask=early),
                      weights.source("a", a.outputs, 18, (1, 1), stride=2,
                                     time_mask=late or every), lif=LIF(shift=2, decay_input=False))
    c = weights.layer("c", weights.source("b", b.outputs, 10, (2, 2), time_mask=1), pool=2,
                      keep_residual=True, shifts=(8, 10))
    out = weights.layer("out", weights.source("c", c.outputs, 4, c.outputs[1:], time_mask=every),
                        weights.source("c", c.outputs, 4, c.outputs[1:], time_mask=late or every),
                        output="readout")
    return IntegerNetwork(name="masks", timesteps=timesteps, layers=(a, b, c, out),
                          input_shape=image, input_bits=0)


def _each_step(weights: RandomWeights, timesteps: int) -> IntegerNetwork:
    """Return one whose layers hand on integers of each timestep, signed and unsigned."""
    image = (2, 6, 5)
    a = weights.layer("a", weights.source(IMAGE, image, 9, (3, 3), padding=(1, 1)), input_bits=8,
                      reach=1500)
    b = weights.layer("b", weights.source("a", a.outputs, 10, (3, 3), padding=(1, 1)),
                      output="integers", out_bits=3, out_signed=True, out_each_step=True,
                      shifts=(18, 20))
    c = weights.layer("c", weights.source("b", b.outputs, 10, (1, 1)), input_bits=3,
                      input_signed=True, input_each_step=True, reach=40,
                      lif=LIF(shift=2, decay_input=False))
    d = weights.layer("d", weights.source("b", b.outputs, 18, (3, 2), stride=2, padding=(1, 0)),
                      input_bits=3, input_signed=True, input_each_step=True, output="integers",
                      out_bits=2, out_each_step=True, shifts=(14, 16))
    e = weights.layer("e", weights.source("d", d.outputs, 9, (2, 2)),
                      weights.source("d", d.outputs, 9, (2, 2)), input_bits=2,
                      input_each_step=True, reach=30, shifts=(14, 16), keep_residual=True)
    f = weights.layer("f", weights.source("c", c.outputs, 10, (3, 3), stride=2), output="integers",
                      out_bits=3, out_each_step=True, keep_residual=True, shifts=(14, 16))
    out = weights.layer("out", weights.source("f", f.outputs, 4, f.outputs[1:]), input_bits=3,
                        input_each_step=True, output="readout")
    return IntegerNetwork(name="each_step", timesteps=timesteps, layers=(a, b, c, d, e, f, out),
                          input_shape=image)


RANDOM_NETWORKS: dict[str, Callable[[RandomWeights, int], IntegerNetwork]] = {
    "two_sources": _two_sources, "residuals": _residuals, "integers": _integers,
    "masks": _masks, "each_step": _each_step,
}


def fits(name: str, config: AcceleratorConfig) -> bool:
    """Return whether a configuration has what a random network asks for."""
    if name == "each_step":
        return bool(config.each_step) and config.tile_rows >= 3  # the bits of its integers
    return name != "masks" or config.timesteps <= 8              # of the input's octets


def random_images(network: IntegerNetwork, count: int, seed: int) -> Tensor:
    """Return images, uint8[count, C, H, W], with dark and bright pixels among them.

    Those of spikes have a dimension of timesteps behind the first.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = network.input_shape if network.input_bits else (
        network.timesteps, *network.input_shape)
    limit = 256 if network.input_bits else 2
    images = torch.randint(0, limit, (count, *shape), generator=generator)
    dark = torch.rand(images.shape, generator=generator) < 0.4
    return images.masked_fill(dark, 0).to(torch.uint8)
