# SPDX-License-Identifier: Apache-2.0
"""Maps and residuals in memory: where each value lies, and how to read it back."""

import msgspec
import numpy as np

from .chunks import ChunkFormat

__all__ = ["Residual", "SpikeMap", "TileOrder", "lane_passes"]


class SpikeMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spikes or integers as compressed lane words, channel last, in slots of fixed size.

    The slot of pixel (y, x), chunk c and lane pass p is at
    ``address + p*pass_pitch + y*row_pitch + x*pixel_pitch + c*chunk_pitch``.

    Attributes
    ----------
    name : str
        Layer that writes it, or "image".
    channels, height, width : int
    bits : int
        Of integers; 0 if the map holds spikes.
    signed : bool
        Whether integers are two's complement.
    each_step : bool
        Whether integers differ between timesteps; a lane word is then one bit of all timesteps.
    passes : int
        Lane words of a value: 1 for spikes, ``ceil(bits / T)`` for integers that are the same at
        each timestep, ``bits`` for others.
    chunks : int
        Chunks of a pixel.
    chunk_pitch, pixel_pitch : int
        Words.
    address : int
        First word; -1 before memory is allocated.
    """

    name: str
    channels: int
    height: int
    width: int
    bits: int
    signed: bool
    passes: int
    chunks: int
    chunk_pitch: int
    pixel_pitch: int
    address: int = -1
    each_step: bool = False

    @classmethod
    def planned(cls, chunk_format: ChunkFormat, name: str, shape: tuple[int, int, int],
                bits: int = 0, signed: bool = False, each_step: bool = False) -> "SpikeMap":
        """Return the smallest map that holds any values of that shape."""
        channels, height, width = shape
        chunks = -(-channels // chunk_format.chunk)
        pitch = int(chunk_format.words(min(channels, chunk_format.chunk)))
        last = int(chunk_format.words(channels - (chunks - 1) * chunk_format.chunk))
        return cls(name=name, channels=channels, height=height, width=width, bits=bits,
                   signed=signed, each_step=each_step,
                   passes=lane_passes(bits, each_step, chunk_format.value_bits),
                   chunks=chunks, chunk_pitch=pitch, pixel_pitch=(chunks - 1) * pitch + last)

    @property
    def row_pitch(self) -> int:
        """Words from one row of pixels to the next."""
        return self.width * self.pixel_pitch

    @property
    def pass_pitch(self) -> int:
        """Words from the map of one lane pass to that of the next."""
        return self.height * self.row_pitch

    @property
    def words(self) -> int:
        """Words of all lane passes."""
        return self.passes * self.pass_pitch

    def read_lanes(self, memory: np.ndarray, chunk_format: ChunkFormat) -> np.ndarray:
        """Return the lane words, int64[passes, height, width, channels].

        Parameters
        ----------
        memory : ndarray
            uint8, from the image's start.
        chunk_format : ChunkFormat
            Of spikes.
        """
        pixels = self.passes * self.height * self.width
        addresses = (self.address + np.arange(pixels)[:, None] * self.pixel_pitch
                     + np.arange(self.chunks) * self.chunk_pitch)
        values = chunk_format.unpack(memory, addresses)
        return values.reshape(self.passes, self.height, self.width, -1)[..., :self.channels]

    def read(self, memory: np.ndarray, chunk_format: ChunkFormat) -> np.ndarray:
        """Return spikes, bool[T, C, H, W], or integers, int64[C, H, W] or int64[T, C, H, W]."""
        lanes = self.read_lanes(memory, chunk_format)
        timesteps = chunk_format.value_bits
        if not self.bits:
            planes = lanes[0] >> np.arange(timesteps)[:, None, None, None] & 1
            return planes.transpose(0, 3, 1, 2).astype(bool)
        places = timesteps
        if self.each_step:
            lanes, places = lanes >> np.arange(timesteps)[:, None, None, None, None] & 1, 1
        shifts = np.arange(self.passes)[:, None, None, None] * places
        values = (lanes << shifts).sum(-4)
        if self.signed:
            places *= self.passes
            values -= values >> (places - 1) << places
        return np.moveaxis(values, -1, -3)


def lane_passes(bits: int, each_step: bool, timesteps: int) -> int:
    """Return the lane words of an integer, of all timesteps if they differ; 1 for spikes."""
    return max(1, bits if each_step else -(-bits // timesteps))


class TileOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order in which the neurons of a layer are computed.

    For each weight block, tile by tile; in a tile column by column; in a column row by row.

    Attributes
    ----------
    columns : int
        Output channels.
    block_columns : int
        Output channels of a weight block; the last one may have fewer.
    height, width : int
        Windows of the output.
    pool : int
        Side of a window.
    windows_per_tile : int
        Whole windows in a tile; 1 if a window takes several tiles.
    members_per_tile : int
        Members of a window in a tile.
    """

    columns: int
    block_columns: int
    height: int
    width: int
    pool: int
    windows_per_tile: int
    members_per_tile: int

    @property
    def blocks(self) -> int:
        """Weight blocks."""
        return -(-self.columns // self.block_columns)

    @property
    def tiles(self) -> int:
        """Tiles of a block."""
        windows = self.height * self.width
        tiles_of_window = -(-self.pool ** 2 // self.members_per_tile)
        return -(-windows // self.windows_per_tile) * tiles_of_window

    @property
    def neurons(self) -> int:
        """Output positions before pooling, times columns."""
        return self.height * self.width * self.pool ** 2 * self.columns

    def positions(self) -> list[np.ndarray]:
        """Return, for each tile of a block, the output positions (y, x) of its rows."""
        pool = self.pool
        y, x, dy, dx = np.meshgrid(np.arange(self.height), np.arange(self.width),
                                   np.arange(pool), np.arange(pool), indexing="ij")
        windows = np.stack([y * pool + dy, x * pool + dx], -1).reshape(-1, pool * pool, 2)
        if self.members_per_tile == pool * pool:
            return [windows[first:first + self.windows_per_tile].reshape(-1, 2)
                    for first in range(0, len(windows), self.windows_per_tile)]
        return [window[first:first + self.members_per_tile] for window in windows
                for first in range(0, pool * pool, self.members_per_tile)]


class Residual(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Currents that a layer keeps for later ones, 16 bits for each timestep.

    Attributes
    ----------
    order : TileOrder
        Of the neurons in memory.
    slot_bits : int
        Of a neuron.
    words : int
    address : int
        First word; -1 before memory is allocated.
    """

    order: TileOrder
    slot_bits: int
    words: int
    address: int = -1

    def read(self, memory: np.ndarray, timesteps: int, word_bits: int) -> np.ndarray:
        """Return the currents, int64[T, N, H, W], of all positions that a window covers.

        Parameters
        ----------
        memory : ndarray
            uint8, from the image's start.
        timesteps : int
        word_bits : int
            Of a memory word.
        """
        order = self.order
        start = self.address * word_bits // 8
        content = memory[start:start + order.neurons * self.slot_bits // 8].tobytes()
        slots = np.frombuffer(content, "<i2").astype(np.int64).reshape(order.neurons, -1)
        values = np.zeros((timesteps, order.columns, order.height * order.pool,
                           order.width * order.pool), dtype=np.int64)
        tiles, first = order.positions(), 0
        for block in range(order.blocks):
            columns = np.arange(block * order.block_columns,
                                min((block + 1) * order.block_columns, order.columns))
            for positions in tiles:
                count = len(columns) * len(positions)
                part = slots[first:first + count, :timesteps].reshape(len(columns),
                                                                      len(positions), -1)
                y, x = positions.T
                values[:, columns[:, None], y, x] = part.transpose(2, 0, 1)
                first += count
        return values
