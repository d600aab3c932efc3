# SPDX-License-Identifier: Apache-2.0
"""Small integer networks with random weights, attention and pooling of residuals."""

from ..models.golden.layer import AttentionLayer, PoolLayer
from ..models.golden.network import IntegerNetwork
from ..models.golden.plif import LIF
from .random_networks import RandomWeights

__all__ = ["attention_network"]


def attention_network(weights: RandomWeights, timesteps: int, chunk_steps: int,
                      spikes: bool = False) -> IntegerNetwork:
    """Return one with a stem, a block of attention and a head, as STAtten has them.

    Parameters
    ----------
    weights : RandomWeights
    timesteps, chunk_steps : int
        Of all, and of those that attend to one another.
    spikes : bool
        Whether it reads spikes, not pixels.
    """
    image, heads = (2, 7, 6), 3
    depth = 4 * heads
    first = weights.layer(
        "first", weights.source("image", image, depth, (3, 3), padding=(1, 1)),
        input_bits=0 if spikes else 8, reach=20 if spikes else 800,
        shifts=(12, 13) if spikes else (17, 19), keep_residual=True)
    stem = PoolLayer(
        name="stem", pooled="first", height=7, width=6, kind="max", window=(3, 3), stride=2,
        padding=(1, 1), bias=weights.integers(-3, 3, depth),
        threshold=weights.integers(1, 9, depth), lif=LIF(), keep_residual=True, requantize=(
            weights.integers(1, 1, depth), weights.integers(0, 0, depth)))
    near = stem.outputs
    place = weights.layer("place", weights.source("stem", near, depth, (3, 3), padding=(1, 1)),
                          shifts=(13, 14), residual="stem", keep_residual=True, reach=6)
    fused = weights.layer("fused", weights.source("place", near, 3 * depth, (1, 1)), reach=4)
    attend = AttentionLayer(
        name="attend", input="fused", height=near[1], width=near[2], heads=heads,
        chunk_steps=chunk_steps, bias=weights.integers(0, 0, depth),
        threshold=weights.integers(1, 8, depth), lif=LIF())
    project = weights.layer("project", weights.source("attend", near, depth, (1, 1)),
                            shifts=(13, 14), residual="place", keep_residual=True)
    head = PoolLayer(
        name="head", pooled="project", height=near[1], width=near[2], kind="sum",
        window=near[1:], bias=weights.integers(-9, 9, depth),
        threshold=weights.integers(1, 60, depth), lif=LIF())
    out = weights.layer("out", weights.source("head", head.outputs, 4, (1, 1)), output="readout")
    return IntegerNetwork(name="attention", timesteps=timesteps, input_shape=image,
                          input_bits=0 if spikes else 8,
                          layers=(first, stem, place, fused, attend, project, head, out))
