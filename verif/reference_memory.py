# SPDX-License-Identifier: Apache-2.0
"""Memory of the reference machine: words, chunk slots and tables, read the plain way."""

import struct
import zlib

import numpy as np

from ..rtl.config import AcceleratorConfig, beat_slot_bits
from ..rtl.soc.header import FORMAT_VERSION, HEADER_WORDS, MAGIC, header_layout
from .payload import unpack

__all__ = ["MachineError", "ReferenceMemory"]


class MachineError(ValueError):
    """A program image that no accelerator can run; the message names the field."""


class ReferenceMemory:
    """The memory of a program image, after the checks that the hardware makes.

    Parameters
    ----------
    config : AcceleratorConfig
    content : bytes
        The program part.

    Attributes
    ----------
    header : dict
        Fields of the header.
    content : bytearray
        All of the memory.
    """

    def __init__(self, config: AcceleratorConfig, content: bytes):
        self.config = config
        self.word_bytes = config.memory_bits // 8
        self.header = unpack(header_layout(),
                             int.from_bytes(content[:4 * HEADER_WORDS], "little"))
        checks = {"magic": MAGIC, "version": FORMAT_VERSION,
                  "config_hash": int(config.hash(), 16),
                  "program_words": len(content) // self.word_bytes}
        for field, expected in checks.items():
            if self.header[field] != expected:
                raise MachineError(f"{field} must be {expected:#x}, not {self.header[field]:#x}")
        if zlib.crc32(content) != 0x2144DF1C:  # what is left after data and its own CRC
            raise MachineError("CRC-32 of the program must match its content")
        if config.memory == "on_chip" and self.header["memory_words"] > config.memory_words:
            raise MachineError(f"memory_words must be at most {config.memory_words}, "
                               f"not {self.header['memory_words']}")
        self.content = bytearray(self.header["memory_words"] * self.word_bytes)
        self.content[:len(content)] = content

    def load(self, address: int, content: bytes) -> None:
        """Write bytes from a word address on as the host does, anywhere."""
        start = address * self.word_bytes
        self.content[start:start + len(content)] = content

    def read(self, address: int, words: int) -> bytes:
        """Return words."""
        if not 0 <= address <= address + words <= self.header["memory_words"]:
            raise MachineError(f"read must be within 0..{self.header['memory_words']}, "
                               f"not of {words} words at {address}")
        return bytes(self.content[address * self.word_bytes:(address + words) * self.word_bytes])

    def write(self, address: int, content: bytes) -> None:
        """Write bytes as the hardware does: whole words, the rest of the last one zero."""
        content += bytes(-len(content) % self.word_bytes)
        words = len(content) // self.word_bytes
        low, high = self.header["writable_start"], self.header["memory_words"]
        if not low <= address <= address + words <= high:
            raise MachineError(f"write must be within {low}..{high}, not of {words} words "
                               f"at {address}")
        start = address * self.word_bytes
        self.content[start:start + len(content)] = content

    def read_chunk(self, address: int, value_bits: int, signed: bool) -> tuple[list[int], int]:
        """Return the C values of a chunk, and the address behind it.

        First the bitmask; then the non-zero values, V to a beat, beats side by side in a word.
        """
        config = self.config
        mask = int.from_bytes(self.read(address, config.mask_words), "little")
        if mask >> config.chunk:
            raise MachineError(f"bitmask at {address} must have {config.chunk} bits, "
                               f"not {mask.bit_length()}")
        positions = [p for p in range(config.chunk) if mask >> p & 1]
        slot_bits = beat_slot_bits(config.beat_values, value_bits)
        beats_per_word = config.memory_bits // slot_bits
        beats = -(-len(positions) // config.beat_values)
        words = -(-beats // beats_per_word)
        content = int.from_bytes(self.read(address + config.mask_words, words), "little")
        values = [0] * config.chunk
        for index, position in enumerate(positions):
            beat, place = divmod(index, config.beat_values)
            word, slot = divmod(beat, beats_per_word)
            first = word * config.memory_bits + slot * slot_bits + place * value_bits
            value = content >> first & ((1 << value_bits) - 1)
            values[position] = value - (value >> (value_bits - 1) << value_bits if signed else 0)
        return values, address + config.mask_words + words

    def read_list(self, address: int, columns: int, positions: int, delta_bits: int
                  ) -> tuple[list[list[int]], int]:
        """Return the weights of a block of columns, and the address behind it.

        Words hold whole beats, a beat a slot of each bank and a bit that ends the column; a slot
        is a delta and above it a weight.
        """
        config = self.config
        banks, width = config.probes, delta_bits + config.weight_bits
        beats_per_word = config.list_beats_per_word(delta_bits) if delta_bits <= 8 else 0
        if not config.looks_up:
            raise MachineError(f"weight_list must be 0 with pe = {config.pe}, not 1")
        if not beats_per_word:
            raise MachineError(f"delta_bits must leave room for a beat in a word of "
                               f"{config.memory_bits} bits, not be {delta_bits}")
        found, word, left = [], 0, 0
        for _ in range(columns):
            weights, following, column_end = [0] * positions, [0] * banks, False
            while not column_end:
                if not left:
                    word = int.from_bytes(self.read(address, 1), "little")
                    address, left = address + 1, beats_per_word
                for bank in range(banks):
                    slot = word >> bank * width & ((1 << width) - 1)
                    place = following[bank] + (slot & ((1 << delta_bits) - 1))
                    following[bank] = place + 1
                    weight = slot >> delta_bits
                    if weight:
                        turn, within = divmod(place, config.beat_values)
                        position = (turn * banks + bank) * config.beat_values + within
                        if position >= positions:
                            raise MachineError(f"position of a weight must be below {positions}, "
                                               f"not {position}")
                        weights[position] = weight - (
                            weight >> (config.weight_bits - 1) << config.weight_bits)
                column_end = bool(word >> banks * width & 1)
                word, left = word >> (banks * width + 1), left - 1
            found.append(weights)
        return found, address

    def write_chunk(self, address: int, words: list[int]) -> None:
        """Write lane words, C of them or fewer, as a chunk slot."""
        config = self.config
        kept = [word for word in words if word]
        slot_bits = beat_slot_bits(config.beat_values, config.timesteps)
        mask = sum(1 << p for p, word in enumerate(words) if word)
        content = 0
        for index, word in enumerate(kept):
            beat, place = divmod(index, config.beat_values)
            content |= word << (beat * slot_bits + place * config.timesteps)
        beats = -(-len(kept) // config.beat_values)
        self.write(address, mask.to_bytes(config.mask_words * self.word_bytes, "little")
                   + content.to_bytes(beats * slot_bits // 8, "little"))

    def write_fiber(self, address: int, chunk_pitch: int, words: list[int]) -> None:
        """Write the lane words of a pixel, a chunk slot for each C of them."""
        chunk = self.config.chunk
        for index in range(0, len(words), chunk):
            self.write_chunk(address + index // chunk * chunk_pitch, words[index:index + chunk])

    def read_channels(self, address: int, columns: int) -> dict[str, np.ndarray]:
        """Return bias, threshold, multiplier and shift of the output channels, int64."""
        words = -(-16 * columns // self.word_bytes)
        records = list(struct.iter_unpack("<iiHB5x", self.read(address, words)[:16 * columns]))
        table = np.array(records, dtype=np.int64).T
        return dict(zip(("bias", "threshold", "multiplier", "shift"), table, strict=True))
