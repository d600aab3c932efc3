# SPDX-License-Identifier: Apache-2.0
"""Layer descriptors: what the sequencer reads from a program image, one for each step."""

from amaranth.lib import data, enum

from ..ftp.layouts import lif_layout

__all__ = ["DESCRIPTOR_WORDS", "SOURCES", "Mode", "Operation", "descriptor_layout",
           "flags_layout", "source_layout"]

SOURCES = 2             # spike maps that one layer may read
DESCRIPTOR_WORDS = 40   # of 32 bits each, in memory


class Operation(enum.Enum, shape=8):
    """What a descriptor asks for."""

    ENCODE = 1  # integers of the input, 8 bits apart, to compressed lane words
    LAYER = 2   # a matrix product and what follows it


class Mode(enum.Enum, shape=8):
    """What a layer gives out."""

    SPIKES = 0    # compressed lane words of its neurons
    INTEGERS = 1  # compressed lane words, bit planes of requantized integers
    READOUT = 2   # sums over the timesteps and the index of the largest


def source_layout() -> data.StructLayout:
    """Return one spike map that a layer reads; addresses and pitches in memory words.

    Members
    -------
    address : unsigned(32)
        Chunk slot of the top left pixel's first chunk.
    pass_pitch : unsigned(32)
        From the map of one lane pass to that of the next.
    row_pitch : unsigned(32)
        From one row of pixels to the next.
    pixel_pitch : unsigned(16)
        From one pixel to the next.
    chunk_pitch : unsigned(16)
        From one chunk of a pixel to the next.
    height : unsigned(16)
        Rows of pixels.
    width : unsigned(16)
        Pixels of a row.
    kernel_height : unsigned(8)
        Taps of the kernel, downwards.
    kernel_width : unsigned(8)
        Taps of the kernel, to the right.
    stride : unsigned(8)
        Pixels from one output position to the next, both ways.
    padding_top : unsigned(8)
        Rows of silent pixels above the map.
    padding_left : unsigned(8)
        Silent pixels left of the map. What lies to the right and below is silent as well.
    chunks : unsigned(8)
        Chunks of a pixel.
    taps_per_chunk : unsigned(8)
        Kernel taps that share a chunk of the fiber; 1 if a pixel has several chunks.
    heads : unsigned(8)
        Attention: heads of queries, keys and values, which are the channels of a pixel.
    tap_positions : unsigned(16)
        Positions of a tap in a shared chunk, C or less.
    head_channels : unsigned(16)
        Attention: channels of a head.
    """
    return data.StructLayout({
        "address": 32, "pass_pitch": 32, "row_pitch": 32,
        "pixel_pitch": 16, "chunk_pitch": 16, "height": 16, "width": 16,
        "kernel_height": 8, "kernel_width": 8, "stride": 8, "padding_top": 8,
        "padding_left": 8, "chunks": 8, "taps_per_chunk": 8, "heads": 8,
        "tap_positions": 16, "head_channels": 16,
    })


def flags_layout() -> data.StructLayout:
    """Return what a layer does, or not.

    Members
    -------
    stream_weights : unsigned(1)
        Fetch the weights for each tile (one block only), not once for all.
    combine : unsigned(1)
        Lanes are bit planes, to be added up.
    signed_input : unsigned(1)
        The top bit plane is negative.
    requantize : unsigned(1)
        Scale by the channel's multiplier and shift.
    residual_in : unsigned(1)
        Add residuals.
    residual_out : unsigned(1)
        Store the sum.
    drop_single : unsigned(1)
        Words with fewer than two spikes are silent.
    out_signed : unsigned(1)
        INTEGERS are two's complement.
    """
    return data.StructLayout({
        "stream_weights": 1, "combine": 1, "signed_input": 1, "requantize": 1,
        "residual_in": 1, "residual_out": 1, "drop_single": 1, "out_signed": 1,
    })


def descriptor_layout() -> data.StructLayout:
    """Return a descriptor; addresses and pitches in memory words from the image's start.

    The output positions are walked window by window (the windows of the pooling, single
    positions without it), within a window member by member, within a member pass by pass; each
    of these is a row of a tile.

    Members
    -------
    operation : unsigned(8)
        What to do, an ``Operation``.
    mode : unsigned(8)
        What a layer gives out, a ``Mode``.
    source_count : unsigned(8)
        Sources that count, 1..2.
    pool : unsigned(8)
        Side of a pooling window, 1 for no pooling.
    out_height : unsigned(16)
        Windows downwards.
    out_width : unsigned(16)
        Windows to the right.
    passes : unsigned(8)
        Lane passes: rows that make one output position.
    windows_per_tile : unsigned(8)
        Whole windows in a tile; 1 if a window takes several tiles.
    members_per_tile : unsigned(8)
        Members of a window in a tile: all ``pool**2``, or fewer if it takes several tiles.
    out_passes : unsigned(8)
        Lane passes of the output, 1 unless INTEGERS.
    columns : unsigned(16)
        Output channels; ENCODE: integers of a pixel.
    block_columns : unsigned(16)
        Output channels of a weight block, a multiple of C unless there is one block only.
    blocks : unsigned(16)
        Weight blocks; for each of them all tiles are walked.
    chunks : unsigned(16)
        Chunks of a fiber, all sources together.
    tiles : unsigned(32)
        Tiles of a block; ENCODE: pixels of an image.
    weight_address : unsigned(32)
        Weights of all blocks; ENCODE: the first image.
    weight_words : unsigned(32)
        Their length; ENCODE: that of an image.
    channel_address : unsigned(32)
        Channel records, 128 bits each.
    flags : flags_layout()
        What the layer does.
    lif : lif_layout()
        Neuron model.
    weight_list : unsigned(1)
        The weights are lists, not fibers with bitmasks.
    delta_bits : unsigned(4)
        Bits of a delta of the lists.
    crossbar : unsigned(1)
        The crossbars compute the layer; the weights are cells.
    out_bits : unsigned(8)
        Bits of INTEGERS.
    out_address : unsigned(32)
        Output map: slot of the first window's first chunk; for READOUT, the result record of
        the first image.
    out_pass_pitch : unsigned(32)
        From the output map of one lane pass to that of the next.
    out_tile_pitch : unsigned(32)
        From the first window of a tile to that of the next, ``windows_per_tile`` pixel pitches.
    out_block_pitch : unsigned(32)
        From a pixel's first chunk of a block to that of the next block.
    out_pixel_pitch : unsigned(16)
        From one window to the next.
    out_chunk_pitch : unsigned(16)
        From one chunk of a window to the next.
    residual_in : unsigned(32)
        Residuals to add, in the order in which the neurons are computed.
    residual_out : unsigned(32)
        Where to store them, in the same order.
    residual_words : unsigned(32)
        Words of either.
    image_pitch : unsigned(32)
        ENCODE: from one image to the next; READOUT: from the result record of one image to that
        of the next.
    silent_steps : data.ArrayLayout(unsigned(16), 2)
        Of each source, bit ``t``: its spikes do not count at timestep ``t``.
    attention : unsigned(1)
        The attention unit computes the layer: all tiles are walked once more, before.
    residual_pool : unsigned(1)
        The layer pools the residuals that lie at the source's address, those of the pixels below
        its kernel; the source's ``pass_pitch`` is the number of its pixels. No spikes are read.
    pool_sum : unsigned(1)
        To their sum, not the largest.
    tile_bits : unsigned(3)
        Logarithm of the positions in a tile of the layer that kept the residuals.
    chunk_steps : unsigned(5)
        Attention: timesteps that attend to one another.
    input_each_step : unsigned(1)
        With ``combine``: lane pass p has bit p of the integers of each timestep.
    out_each_step : unsigned(1)
        The same of INTEGERS; else these are of the first timestep, T bits in a lane pass.
    reserved : unsigned(19)
        Zero.
    sources : data.ArrayLayout(source_layout(), 2)
        Spike maps that are read.
    """
    return data.StructLayout({
        "operation": Operation, "mode": Mode, "source_count": 8, "pool": 8,
        "out_height": 16, "out_width": 16,
        "passes": 8, "windows_per_tile": 8, "members_per_tile": 8, "out_passes": 8,
        "columns": 16, "block_columns": 16,
        "blocks": 16, "chunks": 16,
        "tiles": 32,
        "weight_address": 32, "weight_words": 32, "channel_address": 32,
        "flags": flags_layout(), "lif": lif_layout(),
        "weight_list": 1, "delta_bits": 4, "crossbar": 1, "out_bits": 8,
        "out_address": 32, "out_pass_pitch": 32, "out_tile_pitch": 32, "out_block_pitch": 32,
        "out_pixel_pitch": 16, "out_chunk_pitch": 16,
        "residual_in": 32, "residual_out": 32, "residual_words": 32, "image_pitch": 32,
        "silent_steps": data.ArrayLayout(16, SOURCES),
        "attention": 1, "residual_pool": 1, "pool_sum": 1, "tile_bits": 3,
        "chunk_steps": 5, "input_each_step": 1, "out_each_step": 1, "reserved": 19,
        "sources": data.ArrayLayout(source_layout(), SOURCES),
    })
