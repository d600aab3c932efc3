# SPDX-License-Identifier: Apache-2.0
"""How large the fields of a program may be on small hardware, and registers that hold no more."""

from typing import Any

from amaranth import Cat, Const, Shape, ShapeLike, Value
from amaranth.lib import data

from ..config import AcceleratorConfig
from .descriptor import DESCRIPTOR_WORDS

__all__ = ["descriptor_number_bits", "field_limits", "limited"]

_NUMBERS = ("blocks", "passes", "out_passes", "windows_per_tile", "members_per_tile", "pool",
            "source_count", "chunks", "gain")  # at least 1 in a layer


def descriptor_number_bits(config: AcceleratorConfig) -> int:
    """Return the bits of a number of descriptors, each of which takes words of the memory."""
    words = 32 * DESCRIPTOR_WORDS // config.memory_bits
    return config.bounds.address_bits - (words.bit_length() - 1 if config.limits else 0)


def field_limits(config: AcceleratorConfig) -> dict[str, int]:
    """Return the greatest value of each field of a descriptor or header that has a limit."""
    if config.limits is None:
        return {}
    bounds = config.limits
    rows, chunks = config.tile_rows, config.max_chunks
    farthest = (1 << bounds.address_bits) - 1
    blocks = config.block_limit
    slot = config.mask_words - (-config.chunk_beats // config.spike_beats_per_word)
    pixel = -(-bounds.outputs // config.chunk) * slot  # words
    greatest = [
        (farthest, (
            "weight_address", "weight_words", "channel_address", "out_address", "residual_in",
            "residual_out", "residual_words", "image_pitch", "address", "program_words",
            "memory_words", "writable_start", "descriptor_address", "profile_address",
            "profile_image_pitch")),
        ((1 << descriptor_number_bits(config)) - 1, ("descriptors",)),
        (farthest if bounds.integers else 0, ("pass_pitch", "out_pass_pitch")),
        (farthest if blocks > 1 else 0, ("out_block_pitch",)),
        (slot, ("chunk_pitch", "out_chunk_pitch")),
        (pixel, ("pixel_pitch", "out_pixel_pitch")),
        (bounds.side * pixel, ("row_pitch",)),
        (rows * pixel, ("out_tile_pitch",)),
        (bounds.side, ("out_height", "out_width", "height", "width")),
        (bounds.kernel, ("kernel_height", "kernel_width", "stride", "padding_top",
                        "padding_left")),
        (bounds.outputs, ("columns", "block_columns")),
        (blocks, ("blocks",)),
        ((1 << config.tile_bits) - 1, ("tiles",)),
        (rows, ("windows_per_tile",)),
        (rows if bounds.integers else 1, ("passes", "out_passes")),
        (rows if bounds.pool > 1 else 1, ("members_per_tile",)),
        (bounds.pool, ("pool",)),
        (bounds.sources, ("source_count",)),
        (bounds.gain, ("gain",)),
        (bounds.leak, ("shift",)),
        (chunks, ("chunks",)),
        (config.chunk, ("taps_per_chunk", "tap_positions")),
        (2, ("operation", "mode")),
        (0, ("heads", "head_channels", "attention", "residual_pool", "pool_sum", "tile_bits",
            "chunk_steps", "crossbar", "input_each_step", "out_each_step")),
        ((1 << config.timesteps) - 1 if config.has_time_masks else 0, ("silent_steps",)),
    ]
    found = {name: limit for limit, names in greatest for name in names}
    if not bounds.integers:
        found |= dict.fromkeys(("combine", "signed_input"), 0)
    if not config.requantize:
        found |= dict.fromkeys(("requantize", "residual_in", "residual_out", "residual_words",
                                "out_signed"), 0)
    if not config.looks_up:
        found |= dict.fromkeys(("weight_list", "delta_bits"), 0)
    return found


def limited(config: AcceleratorConfig, fields: data.View) -> Value:
    """Return a descriptor or a header with no more bits than its fields have within the limits.

    What can only be 0 or 1 and is a number of things is 1.
    """
    limits = field_limits(config)

    def narrow(name: str, item: Any, shape: ShapeLike) -> Value:
        width = Shape.cast(shape).width
        if isinstance(shape, data.ArrayLayout):  # of the sources
            built = [narrow(name, item[index], shape.elem_shape)
                     for index in range(config.bounds.sources)]
            return Cat(*built, Const(0, width - len(Cat(built))))
        if isinstance(shape, data.StructLayout):
            return limited(config, item)
        most = limits.get(name, (1 << width) - 1)
        bits = min(width, most.bit_length())
        if most == 1 and name in _NUMBERS:
            return Const(1, width)
        return Cat(Value.cast(item)[:bits], Const(0, width - bits))

    return Cat(narrow(name, fields[name], field.shape) for name, field in fields.shape())
