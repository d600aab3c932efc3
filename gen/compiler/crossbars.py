# SPDX-License-Identifier: Apache-2.0
"""Layers on crossbars: which go, what their cells hold, and how the cells lie in memory."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from ...models.golden.conductance import Device, Image, make_images
from ...models.golden.crossbar_layer import CrossbarLayer
from ...models.golden.layer import IntegerLayer, PsumLayer
from ...models.golden.network import IntegerNetwork
from ...rtl.config import AcceleratorConfig, CrossbarConfig
from .bounds import check_bounds
from .errors import CompileError
from .fibers import FiberSource, fiber_positions, fiber_weights, lay_source
from .weights import Weights

__all__ = ["CellWeights", "block_columns", "cell_weights", "on_crossbars"]

_NEGATIVE = 1 << 15  # of a cell's 16 bits in memory


def on_crossbars(network: IntegerNetwork, config: AcceleratorConfig,
                 layers: Literal["all", "none"] | Sequence[str] = "all",
                 device: Device | None = None) -> IntegerNetwork:
    """Return the network with layers on crossbars: what compiles to them, and its golden model.

    Each block of each layer is in macros of its own, and so on other cells than the rest.

    Parameters
    ----------
    network : IntegerNetwork
    config : AcceleratorConfig
    layers : "all", "none" or sequence of str
        Names of layers; "all" are those that fit, none without crossbars in the configuration.
    device : Device
        What the cells are like; ideal if None.

    Raises
    ------
    CompileError
        A layer that was named does not exist, or does not fit.
    """
    if layers == "none":
        return network
    named = None if layers == "all" else dict.fromkeys(layers)
    names = [layer.name for layer in network.layers]
    for name in named or ():
        if name not in names:
            raise CompileError(network.name, "crossbars", f"layers of it ({', '.join(names)})",
                               name, "name layers, all or none")
    if network.timesteps != config.timesteps:
        return network  # cannot run at all, as its plan says
    placed = []
    for index, layer in enumerate(network.layers):
        if named is None or layer.name in named:
            try:
                layer = _placed(layer, index, config, device or Device())
            except CompileError:
                if named is not None:
                    raise
        placed.append(layer)
    return replace(network, layers=tuple(placed))


def block_columns(columns: int, config: AcceleratorConfig) -> int:
    """Return the output channels of a weight block of a layer on crossbars."""
    assert config.crossbar is not None
    limit = min(config.crossbar.outputs, config.max_columns)
    return columns if columns <= limit else limit // config.chunk * config.chunk


def _placed(layer: PsumLayer, index: int, config: AcceleratorConfig,
            device: Device) -> IntegerLayer:
    """Return the layer on crossbars; raise `CompileError` if it does not fit."""
    crossbar = config.crossbar
    if not isinstance(layer, IntegerLayer):
        raise CompileError(layer.name, "crossbars", "absent where a layer has no weights",
                           "asked for", "name other layers")
    if crossbar is None:
        raise CompileError(layer.name, "crossbars", "absent where the configuration has none",
                           "asked for", "choose a configuration with [crossbar], such as imc")
    sources = tuple(lay_source(layer.name, source, config) for source in layer.sources)
    weights = torch.from_numpy(fiber_weights(sources, config.chunk)).flatten(1).T.long()
    lines = len(weights)
    if lines > crossbar.inputs:
        raise CompileError(
            layer.name, "wordlines", f"at most {crossbar.inputs} (crossbar.tiles * crossbar.rows)",
            lines, f"set crossbar.tiles={-(-lines // crossbar.rows)} or higher")
    low, high = crossbar.weight_limits
    least, most = int(weights.min()), int(weights.max())
    if least < low or most > high:
        raise CompileError(layer.name, "weights", f"in {low}..{high} with crossbar.encoding = "
                           f"{crossbar.encoding}", f"{least}..{most}",
                           "quantize to fewer bits, or compute the layer without crossbars")
    size, tiles = block_columns(layer.channels, config), -(-lines // crossbar.rows)
    images = []
    for block, part in enumerate(weights.split(size, 1)):
        cells = replace(device, seed=_seed(device.seed, index, block))
        images.append(tuple(make_images(part, crossbar, cells)[:tiles]))
    placed = replace(layer, crossbars=CrossbarLayer(
        config=crossbar, positions=torch.from_numpy(fiber_positions(sources, config.chunk)),
        images=tuple(images), outputs=layer.channels, block_outputs=size))
    check_bounds(placed, config.timesteps, config)
    return placed


def _seed(seed: int, layer: int, block: int) -> int:
    """Return the seed of a block's macros; `make_image` tells no more than 20 bits apart."""
    digest = hashlib.sha256(f"{seed} {layer} {block}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 12


@dataclass(frozen=True, kw_only=True, eq=False)
class CellWeights(Weights):
    """Cells of crossbars: for each block of columns the rows of its macros, their offsets behind.

    A row is 16 bits for each column: 15 of the conductance, and above it whether the weight of
    the output that begins in the column is negative. A block ends with a whole memory word.

    Attributes
    ----------
    crossbars : CrossbarLayer
    lines : int
        Wordlines in use, over all tiles.
    word_bytes : int
        Of a memory word.
    """

    crossbars: CrossbarLayer
    lines: int
    word_bytes: int

    def words(self, block_columns: int) -> int:
        """Return the memory words of all blocks."""
        config = self.crossbars.config
        content = (self.lines + self.crossbars.tiles) * config.columns * 2
        return len(self.crossbars.images) * -(-content // self.word_bytes)

    def pack(self, block_columns: int) -> bytes:
        """Return all blocks behind one another."""
        rows = self.crossbars.config.rows
        content = b""
        for block in self.crossbars.images:
            cells = b"".join(_packed(image, min(rows, self.lines - tile * rows),
                                     self.crossbars.config) for tile, image in enumerate(block))
            content += cells + bytes(-len(cells) % self.word_bytes)
        return content


def cell_weights(layer: IntegerLayer, sources: tuple[FiberSource, ...],
                 config: AcceleratorConfig) -> CellWeights:
    """Return the cells of a layer on crossbars.

    Raises
    ------
    CompileError
        They are for another configuration.
    """
    crossbars, chunk = layer.crossbars, config.chunk
    assert crossbars is not None
    same = (crossbars.config == config.crossbar
            and crossbars.block_outputs == block_columns(layer.channels, config)
            and np.array_equal(crossbars.positions.numpy(), fiber_positions(sources, chunk)))
    if not same:
        raise CompileError(layer.name, "crossbars", "those of the configuration", "others",
                           "call on_crossbars with this configuration")
    counts = np.count_nonzero(fiber_weights(sources, chunk), axis=2)
    return CellWeights(
        counts=counts, column_beats=np.zeros(layer.channels, np.int64), crossbars=crossbars,
        lines=counts.shape[1] * chunk, word_bytes=config.memory_bits // 8)


def _packed(image: Image, rows: int, config: CrossbarConfig) -> bytes:
    """Return the rows of a macro and its offsets as they lie in memory."""
    table = np.concatenate([image.cells[:rows].numpy(), image.offsets[None].numpy()])
    table &= (1 << config.cell_word_bits) - 1
    if config.encoding == "sign":
        first = np.arange(config.outputs) * config.columns_per_output
        table[:rows, first] |= image.negative[:rows].numpy() * _NEGATIVE
    return table.astype("<u2").tobytes()
