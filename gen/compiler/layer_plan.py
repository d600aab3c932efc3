# SPDX-License-Identifier: Apache-2.0
"""How one layer runs on a configuration."""

from dataclasses import dataclass

from ...models.golden.layer import AttentionLayer, IntegerLayer, PoolLayer, PsumLayer
from .fibers import FiberSource
from .maps import Residual, SpikeMap, TileOrder
from .weights import Weights

__all__ = ["LayerPlan"]


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """How one layer runs.

    Attributes
    ----------
    layer : PsumLayer
    sources : tuple of FiberSource
        None if it pools residuals.
    passes : int
        Lane passes of the input.
    psum_range : tuple of int
        Least and greatest psum of any input, with the bias or without.
    formats : list of Weights
        Weights of all columns, in each format that is built.
    weights : Weights
        Those of them that were chosen.
    channels : bytes
        Channel records.
    order : TileOrder
        Tiles and weight blocks.
    stream_weights : bool
        Whether the weights are fetched again for each tile.
    map : SpikeMap or None
        The output; None for a readout.
    residual : Residual or None
        Currents that are kept.
    """

    layer: PsumLayer
    sources: tuple[FiberSource, ...]
    passes: int
    psum_range: tuple[int, int]
    formats: list[Weights]
    weights: Weights
    channels: bytes
    order: TileOrder
    stream_weights: bool
    map: SpikeMap | None
    residual: Residual | None

    @property
    def engine(self) -> str:
        """Who computes it: "elements", "crossbar", "attention" or "residual_pool"."""
        if isinstance(self.layer, IntegerLayer):
            return "crossbar" if self.layer.crossbars is not None else "elements"
        return "attention" if isinstance(self.layer, AttentionLayer) else "residual_pool"

    @property
    def pooled(self) -> str | None:
        """Layer whose residuals it pools, if it does."""
        return self.layer.pooled if isinstance(self.layer, PoolLayer) else None

    @property
    def input_bits(self) -> int:
        """Bits of the integers that it reads; 0 if it reads spikes or residuals."""
        return self.layer.input_bits if isinstance(self.layer, IntegerLayer) else 0

    @property
    def out_passes(self) -> int:
        """Lane passes of the output."""
        return self.map.passes if self.map else 1

    @property
    def tile_rows(self) -> int:
        """Rows of a whole tile."""
        return self.order.windows_per_tile * self.order.members_per_tile * self.passes

    @property
    def weight_words(self) -> int:
        """Memory words of the weights."""
        return self.weights.words(self.order.block_columns)

    def pack_weights(self) -> bytes:
        """Return the weights as they lie in memory."""
        return self.weights.pack(self.order.block_columns)
