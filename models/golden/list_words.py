# SPDX-License-Identifier: Apache-2.0
"""Weight lists as memory words: whole beats in a word, each block of columns from a new one on."""

from collections.abc import Sequence

from ...rtl.config import AcceleratorConfig
from .checks import check_int
from .errors import GoldenError
from .weight_list import Beat, Column

__all__ = ["list_words", "read_lists"]


def list_words(columns: Sequence[Column], delta_bits: int, config: AcceleratorConfig) -> list[int]:
    """Return the words of a block of columns.

    Parameters
    ----------
    columns : Sequence[Column]
        Lists with deltas of ``delta_bits`` bits.
    delta_bits : int
    config : AcceleratorConfig

    Raises
    ------
    GoldenError
        A word has no room for a beat, or a delta or a weight none in its slot.
    """
    beats_per_word = _beats_per_word(delta_bits, config)
    beat_bits = config.probes * (delta_bits + config.weight_bits) + 1
    beats = [_beat_word(beat, beat is column[-1], delta_bits, config)
             for column in columns for beat in column]
    return [sum(beat << (place * beat_bits)
                for place, beat in enumerate(beats[first:first + beats_per_word]))
            for first in range(0, len(beats), beats_per_word)]


def read_lists(words: Sequence[int], columns: int, delta_bits: int, config: AcceleratorConfig
               ) -> tuple[list[Column], int]:
    """Return the block of columns that ``words`` begin with, and how many words it takes.

    Raises
    ------
    GoldenError
        A word has no room for a beat, or the words end within the block.
    """
    beats_per_word = _beats_per_word(delta_bits, config)
    beat_bits = config.probes * (delta_bits + config.weight_bits) + 1
    found: list[Column] = [[]]
    for index, word in enumerate(words):
        for _ in range(beats_per_word):
            found[-1].append(_beat(word, delta_bits, config))
            if word >> (beat_bits - 1) & 1:
                if len(found) == columns:
                    return found, index + 1
                found.append([])
            word >>= beat_bits
    raise GoldenError(f"columns must be {columns}, not {len(found) - 1}")


def _beats_per_word(delta_bits: int, config: AcceleratorConfig) -> int:
    check_int("delta_bits", delta_bits, 0, 8)
    count = config.list_beats_per_word(delta_bits)
    if not count:
        raise GoldenError(f"a beat must take at most {config.memory_bits} bits, not "
                          f"{config.probes * (delta_bits + config.weight_bits) + 1}")
    return count


def _beat_word(beat: Beat, column_end: bool, delta_bits: int, config: AcceleratorConfig) -> int:
    """Return the bits of a beat."""
    limit = 1 << (config.weight_bits - 1)
    bits = 0
    for bank, (delta, weight) in enumerate(beat):
        check_int("delta", delta, 0, (1 << delta_bits) - 1)
        check_int("weight", weight, -limit, limit - 1)
        slot = delta + (weight % (2 * limit) << delta_bits)
        bits |= slot << (bank * (delta_bits + config.weight_bits))
    return bits | column_end << (config.probes * (delta_bits + config.weight_bits))


def _beat(bits: int, delta_bits: int, config: AcceleratorConfig) -> Beat:
    """Return the slots of the lowest beat of a word."""
    limit = 1 << (config.weight_bits - 1)
    beat = []
    for _ in range(config.probes):
        weight = (bits >> delta_bits) % (2 * limit)
        beat.append((bits % (1 << delta_bits), weight - 2 * limit if weight >= limit else weight))
        bits >>= delta_bits + config.weight_bits
    return beat
