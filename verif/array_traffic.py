# SPDX-License-Identifier: Apache-2.0
"""Tiles of the FTP array: what goes in on each stream, and what comes out by the golden ops."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..models.golden.compressor import compress
from ..models.golden.fiber import Fiber
from ..models.golden.ftp_array import count_matches, ftp_matmul
from ..models.golden.lane_word import pack, popcount, unpack
from ..models.golden.plif import LIF, plif
from ..rtl.config import FTPConfig
from .fibers import Beat, spike_beats, weight_beats
from .stimuli import Product

__all__ = ["Tile", "Traffic", "random_tile", "tiles_of"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Tile:
    """Some rows of a layer.

    Parameters
    ----------
    product : Product
        Of at most ``P`` rows.
    bias, threshold : Tensor[N]
        Of each output channel.
    lif : LIF
    emit_psums, emit_spikes, drop_single : bool
        As in the hardware's tile.
    """

    product: Product
    bias: Tensor
    threshold: Tensor
    lif: LIF
    emit_psums: bool = True
    emit_spikes: bool = True
    drop_single: bool = False

    def payload(self) -> dict[str, Any]:
        """Return the description that the array takes."""
        return {"rows": len(self.product.words)} | self.emission()

    def emission(self) -> dict[str, Any]:
        """Return that part of the description which says what to do with the psums."""
        return {
            "emit_psums": int(self.emit_psums),
            "emit_spikes": int(self.emit_spikes), "drop_single": int(self.drop_single),
            "lif": {"gain": self.lif.gain, "shift": self.lif.shift,
                    "decay_input": int(self.lif.decay_input),
                    "soft_reset": int(self.lif.reset == "soft")},
        }

    def psums(self, config: FTPConfig) -> Tensor:
        """Return the golden psums, int64[T, M, N]."""
        spikes = unpack(self.product.words, config.timesteps)
        return ftp_matmul(spikes, self.product.weights, config.psum_bits)

    def words(self, config: FTPConfig) -> Tensor:
        """Return the golden output words, int64[M, N]; dropped ones are still there."""
        return pack(plif(self.psums(config), self.bias, self.threshold, self.lif))

    def fibers(self, config: FTPConfig) -> list[Fiber]:
        """Return the golden output, a fiber for each row."""
        return [compress(row, config.chunk, 2 if self.drop_single else 1)
                for row in self.words(config)]

    def channels(self) -> list[dict[str, int]]:
        """Return the neurons, one for each column; none unless the tile emits spikes."""
        return [{"bias": bias, "threshold": threshold} for bias, threshold in zip(
            self.bias.tolist(), self.threshold.tolist(), strict=True) if self.emit_spikes]

    def psum_payloads(self, config: FTPConfig, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Return the psums that are emitted, with the numbers that the rows have there."""
        if not self.emit_psums:
            return []
        psums = self.psums(config)
        columns = psums.shape[2]
        return [{"psums": psums[:, index, column].tolist(), "row": row,
                 "last": int(column == columns - 1)}
                for column in range(columns) for index, row in enumerate(rows)]

    def fiber_payloads(self, config: FTPConfig, rows: Sequence[int]) -> list[Beat]:
        """Return the beats of the fibers that are emitted, each row's chunk in turn."""
        if not self.emit_spikes:
            return []
        queues = []
        for row, fiber in zip(rows, self.fibers(config), strict=True):
            chunks: list[list[Beat]] = [[]]
            for beat in spike_beats(fiber, config, row=row, offsets=True):
                chunks[-1].append(beat)
                if beat["end"]:
                    chunks.append([])
            queues.append(chunks[:-1])
        return [beat for block in zip(*queues, strict=True) for chunk in block for beat in chunk]

    def kept_words(self, config: FTPConfig, rows: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Return each row and its words that are emitted, dropped ones as 0."""
        if not self.emit_spikes:
            return []
        words = self.words(config)
        kept = words * (popcount(words) > int(self.drop_single))
        return list(zip(rows, kept.tolist(), strict=True))


def random_tile(rng: random.Random, config: FTPConfig, product: Product) -> Tile:
    """Return the product with any neurons; some fire without a spike, all biases are small."""
    count = product.weights.shape[1]
    reach = 1 << rng.randint(0, config.weight_bits + 2)
    lif = LIF(gain=rng.choice((1, 1, 3, 15)), shift=rng.choice((0, 1, 2, 4)),
              reset=rng.choice(("hard", "soft")), decay_input=bool(rng.getrandbits(1)))

    def draw() -> Tensor:
        limit = min(reach, 1 << (config.psum_bits - 1))
        return torch.tensor([rng.randrange(-limit // 2, limit) for _ in range(count)])

    return Tile(product=product, bias=draw() // 2, threshold=draw(), lif=lif,
                drop_single=bool(rng.getrandbits(1)))


def tiles_of(rng: random.Random, config: FTPConfig, product: Product) -> list[Tile]:
    """Return a product cut into tiles of ``P`` rows, the last with what is left."""
    return [random_tile(rng, config, Product(rows, product.weights))
            for rows in product.words.split(config.tppes)]


class Traffic:
    """What goes into the array for some tiles in turn, and what comes out.

    Parameters
    ----------
    tiles : Iterable[Tile]
    config : FTPConfig
    rng : random.Random
        Shuffles the rows of a tile and fills what does not count.

    Attributes
    ----------
    tiles, rows, columns, channels : list of dict
        Payloads of the input streams.
    psums, fibers : list of dict
        Payloads of the output streams.
    words : list of (int, list of int)
        Each row and its output words, dropped ones 0, in the order of their last chunks.
    matches, empty : int
        Matches, and chunk pairs without one, of all TPPEs.
    """

    def __init__(self, tiles: Iterable[Tile], config: FTPConfig, rng: random.Random):
        self.tiles: list[dict[str, Any]] = []
        self.rows: list[Beat] = []
        self.columns: list[Beat] = []
        self.channels: list[dict[str, int]] = []
        self.psums: list[dict[str, Any]] = []
        self.fibers: list[Beat] = []
        self.words: list[tuple[int, list[int]]] = []
        self.matches = self.empty = 0
        self._config = config
        for tile in tiles:
            self.tiles.append(tile.payload())
            self._add_operands(tile, rng)
            rows = range(len(tile.product.words))
            self.channels += tile.channels()
            self.psums += tile.psum_payloads(config, rows)
            self.fibers += tile.fiber_payloads(config, rows)
            self.words += tile.kept_words(config, rows)

    def _add_operands(self, tile: Tile, rng: random.Random) -> None:
        product, config = tile.product, self._config
        rows, columns = product.rows(config), product.columns(config)
        for index, row in rng.sample(list(enumerate(rows)), len(rows)):
            self.rows += spike_beats(row, config, row=index, noise=rng)
        for number, column in enumerate(columns):
            self.columns += weight_beats(column, config, final=number == len(columns) - 1,
                                         noise=rng)
            self.empty += sum(int((~(row.masks & column.masks).any(1)).sum()) for row in rows)
        self.matches += count_matches(product.words, product.weights)
