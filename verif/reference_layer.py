# SPDX-License-Identifier: Apache-2.0
"""One layer of the reference machine: tiles, matrix product, post-processing, output."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from ..models.golden.bit_planes import bit_planes
from ..models.golden.combine_lanes import combine_lanes
from ..models.golden.lane_word import drop_single, pack
from ..models.golden.plif import LIF, plif
from ..models.golden.readout import readout
from ..models.golden.requantize import requantize
from ..models.golden.residual_add import RESIDUAL_LIMITS, residual_add
from ..rtl.soc.descriptor import Mode
from .reference_attention import attend, pool_residuals
from .reference_crossbar import read_blocks
from .reference_memory import MachineError, ReferenceMemory
from .reference_tiles import Tile, TileTrace, walk

__all__ = ["ReferenceLayer"]


class ReferenceLayer:
    """Run a LAYER descriptor for one image.

    Parameters
    ----------
    memory : ReferenceMemory
    layer : dict
        Fields of the descriptor.
    index, image : int
        Of the descriptor, of the image.
    """

    def __init__(self, memory: ReferenceMemory, layer: dict[str, Any], index: int, image: int):
        self.memory, self.layer, self.index, self.image = memory, layer, index, image
        self.config, self.flags = memory.config, layer["flags"]
        self.slots: dict[int, list[int]] = {}  # chunks of the sources, by address
        self.crossbars = read_blocks(memory, layer) if layer["crossbar"] else None
        weighted = not (self.crossbars or layer["attention"] or layer["residual_pool"])
        self.weights = self._read_weights() if weighted else None
        self.attended = self._attend() if layer["attention"] else np.zeros(0)
        self.channels = self.memory.read_channels(layer["channel_address"], layer["columns"])
        self.residuals_in, self.residuals_out, self.neurons = b"", b"", 0
        if self.flags["residual_in"]:
            self.residuals_in = self.memory.read(layer["residual_in"], layer["residual_words"])
        self.pooled: torch.Tensor | None = None  # open windows, from tile to tile
        self.currents: list[torch.Tensor] = []  # of a readout, block by block

    def run(self) -> Iterator[TileTrace]:
        """Walk all tiles and yield each, then write what is gathered over them."""
        layer, block_columns = self.layer, self.layer["block_columns"]
        mode = Mode(layer["mode"])
        if layer["blocks"] * block_columns < layer["columns"]:
            raise MachineError(f"blocks * block_columns must cover {layer['columns']} columns")
        for tile in walk(layer):
            if not 1 <= len(tile.rows) <= self.config.tile_rows:
                raise MachineError(f"rows of a tile must be in 1..{self.config.tile_rows}, "
                                   f"not {len(tile.rows)}")
            block = slice(tile.block * block_columns, (tile.block + 1) * block_columns)
            words, psums = self._psums(tile, block)
            currents = self._currents(psums, {k: torch.from_numpy(x[block])
                                              for k, x in self.channels.items()})
            yield TileTrace(image=self.image, descriptor=self.index, tile=tile, words=words,
                            psums=psums, currents=currents.numpy())
            if mode == Mode.SPIKES:
                self._spikes(tile, currents, torch.from_numpy(self.channels["threshold"][block]))
            elif mode == Mode.INTEGERS:
                self._integers(tile, currents)
            else:
                self.currents.append(currents[:, 0])
        if self.flags["residual_out"]:
            self.memory.write(layer["residual_out"], self.residuals_out)
        if mode == Mode.READOUT:
            logits, best = readout(torch.cat(self.currents, dim=1))
            self.memory.write(layer["out_address"] + self.image * layer["image_pitch"],
                              np.array([*logits.tolist(), best], dtype="<i4").tobytes())

    def _read_weights(self) -> np.ndarray:
        """Return the weights, int64[columns, K]: lists block by block, or fibers by chunks."""
        layer, address = self.layer, self.layer["weight_address"]
        columns: list[list[int]] = []
        while len(columns) < layer["columns"]:
            if layer["weight_list"]:
                count = min(layer["block_columns"], layer["columns"] - len(columns))
                block, address = self.memory.read_list(
                    address, count, layer["chunks"] * self.config.chunk, layer["delta_bits"])
                columns += block
                continue
            fiber: list[int] = []
            for _ in range(layer["chunks"]):
                values, address = self.memory.read_chunk(address, self.config.weight_bits, True)
                fiber += values
            columns.append(fiber)
        if address != layer["weight_address"] + layer["weight_words"]:
            raise MachineError(f"weight_words must be {address - layer['weight_address']}, "
                               f"not {layer['weight_words']}")
        return np.array(columns, dtype=np.int64)

    def _row(self, y: int, x: int, lane_pass: int) -> list[int]:
        """Return the lane words of a row: for each source tap by tap, chunk by chunk."""
        chunk, row = self.config.chunk, []
        for source in self.layer["sources"][:self.layer["source_count"]]:
            shared, positions = source["taps_per_chunk"], source["tap_positions"]
            taps = [(ky, kx) for ky in range(source["kernel_height"])
                    for kx in range(source["kernel_width"])]
            for first in range(0, len(taps), shared):
                together: list[int] = []
                for ky, kx in taps[first:first + shared]:
                    py = y * source["stride"] - source["padding_top"] + ky
                    px = x * source["stride"] - source["padding_left"] + kx
                    pixel = self._pixel(source, py, px, lane_pass)
                    together += pixel[:positions] if shared > 1 else pixel
                row += together + [0] * (-len(together) % chunk)
        if len(row) != self.layer["chunks"] * chunk:
            raise MachineError(f"chunks must be {len(row) // chunk}, not {self.layer['chunks']}")
        return row

    def _pixel(self, source: dict[str, int], y: int, x: int, lane_pass: int) -> list[int]:
        """Return the lane words of a pixel, silent outside of the map."""
        chunk = self.config.chunk
        if not (0 <= y < source["height"] and 0 <= x < source["width"]):
            return [0] * (source["chunks"] * chunk)
        first = (source["address"] + lane_pass * source["pass_pitch"] + y * source["row_pitch"]
                 + x * source["pixel_pitch"])
        words: list[int] = []
        for address in range(first, first + source["chunks"] * source["chunk_pitch"],
                             source["chunk_pitch"]):
            if address not in self.slots:
                self.slots[address], _ = self.memory.read_chunk(address, self.config.timesteps,
                                                                False)
            words += self.slots[address]
        return words

    def _psums(self, tile: Tile, block: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return the lane words of a tile's rows, and its psums int64[T, rows, columns]."""
        if self.layer["residual_pool"]:
            psums = pool_residuals(self.memory, self.layer, tile.block, tile.rows)
            return np.zeros((len(tile.rows), 0), np.int64), self._checked(psums)
        words = np.array([self._row(*row) for row in tile.rows])
        if self.layer["attention"]:
            return words, self._checked(self.attended[:, tile.window:][:, :len(tile.rows)])
        return words, self._multiply(words, tile.block, block)

    def _attend(self) -> np.ndarray:
        rows = [self._row(*row) for tile in walk(self.layer) for row in tile.rows]
        return attend(np.array(rows), self.config.timesteps, self.layer)

    def _multiply(self, words: np.ndarray, block: int, columns: slice) -> np.ndarray:
        """Return the psums, int64[T, rows, columns], that the array or the crossbars compute."""
        planes = words >> np.arange(self.config.timesteps)[:, None, None] & 1
        if self.crossbars:
            psums = self.crossbars[block].multiply(planes)
        else:
            assert self.weights is not None
            psums = planes @ self.weights[columns].T
        return self._checked(psums)

    def _checked(self, psums: np.ndarray) -> np.ndarray:
        """Return psums, which must not outgrow their width."""
        limit = 1 << (self.config.psum_bits - 1)
        if psums.min() < -limit or psums.max() >= limit:
            raise MachineError(f"psum must be in {-limit}..{limit - 1}, not "
                               f"{psums.min()}..{psums.max()}")
        return psums

    def _currents(self, psums: np.ndarray, channels: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return int64[T, members, columns]: lanes, bias, requantization, residual."""
        if self.flags["combine"]:
            psums = self._combine(psums)
        y = torch.from_numpy(psums) + channels["bias"]
        if self.flags["requantize"]:
            y = requantize(y, channels["multiplier"], channels["shift"], *RESIDUAL_LIMITS)
        timesteps, members, columns = y.shape
        slot = self.config.residual_bits // 16  # numbers of a neuron in memory
        first, count = self.neurons, members * columns
        self.neurons += count
        if self.flags["residual_in"]:
            values = np.frombuffer(self.residuals_in, "<i2", count * slot, first * slot * 2)
            values = values.astype(np.int64).reshape(columns, members, slot)[..., :timesteps]
            y = residual_add(y, torch.from_numpy(values.transpose(2, 1, 0).copy()))
        if self.flags["residual_out"]:
            values = np.zeros((columns, members, slot), dtype="<i2")
            values[..., :timesteps] = y.permute(2, 1, 0).numpy()
            self.residuals_out += values.tobytes()
        return y

    def _combine(self, psums: np.ndarray) -> np.ndarray:
        """Add up the lanes of a member's passes as bit planes; all timesteps get the sum."""
        timesteps, rows, columns = psums.shape
        planes = psums.reshape(timesteps, -1, self.layer["passes"], columns).transpose(0, 2, 1, 3)
        total = combine_lanes(torch.tensor(planes), bool(self.flags["signed_input"]))
        return total.expand(timesteps, -1, -1).numpy().copy()

    def _spikes(self, tile: Tile, currents: torch.Tensor, threshold: torch.Tensor) -> None:
        """Fire the neurons, pool over the windows, write those that are complete."""
        lif = self.layer["lif"]
        fired = plif(currents, torch.zeros_like(threshold), threshold, LIF(
            gain=lif["gain"], shift=lif["shift"], decay_input=bool(lif["decay_input"]),
            reset="soft" if lif["soft_reset"] else "hard"))
        timesteps, _, columns = fired.shape
        windows = fired.reshape(timesteps, -1, self.layer["members_per_tile"] if (
            tile.opens and tile.closes) else fired.shape[1], columns).any(2)
        if not tile.opens:
            assert self.pooled is not None
            windows = windows | self.pooled
        self.pooled = windows
        if tile.closes:
            if self.flags["drop_single"]:
                windows = drop_single(windows)
            self._write_rows(tile, pack(windows))

    def _integers(self, tile: Tile, currents: torch.Tensor) -> None:
        """Clamp the first timestep and write its bit planes."""
        lanes = bit_planes(currents[0], self.config.timesteps, self.layer["out_passes"],
                           self.layer["out_bits"], bool(self.flags["out_signed"]))
        self._write_rows(tile, lanes.transpose(0, 1).flatten(0, 1))

    def _write_rows(self, tile: Tile, words: torch.Tensor) -> None:
        """Write the fibers of a tile: one for each window and lane pass of the output."""
        layer = self.layer
        if len(words) > self.config.tile_rows:
            raise MachineError(f"output rows of a tile must be at most {self.config.tile_rows}, "
                               f"not {len(words)}")
        windows_before = tile.window // layer["windows_per_tile"]
        first = (layer["out_address"] + tile.block * layer["out_block_pitch"]
                 + windows_before * layer["out_tile_pitch"])
        for row, fiber in enumerate(words.tolist()):
            window, lane_pass = divmod(row, layer["out_passes"])
            self.memory.write_fiber(
                first + window * layer["out_pixel_pitch"] + lane_pass * layer["out_pass_pitch"],
                layer["out_chunk_pitch"], fiber)
