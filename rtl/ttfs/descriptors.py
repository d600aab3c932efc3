# SPDX-License-Identifier: Apache-2.0
"""Descriptors of the time-to-first-spike core, as they are loaded."""

from typing import Any

from amaranth import Const, Value, unsigned
from amaranth.lib import data, enum

from ..config import TTFSConfig
from ..ftp.layouts import index_range

__all__ = ["EdgeKind", "channel_entry_layout", "chosen_fields", "edge_layout",
           "index_bits", "is_synapse", "map_layout", "network_layout", "side_bits"]


class EdgeKind(enum.Enum, shape=2):
    """What an edge does with the spikes of its source."""

    SYNAPSE = 0  # adds a weight to neurons
    POOL = 1     # first spike of a window, delayed
    ADD = 2      # the second spike comes at the sum of both times


def index_bits(count: int) -> int:
    """Return the bits of an index into ``count`` things, at least one."""
    return max((count - 1).bit_length(), 1)


def is_synapse(config: TTFSConfig, kind: Any) -> Value:
    """Return whether an edge of that kind is a synapse."""
    return kind == EdgeKind.SYNAPSE if config.skips else Const(1)


def side_bits(config: TTFSConfig) -> int:
    """Return the bits of a row or column."""
    return (config.max_side - 1).bit_length()


def map_layout(config: TTFSConfig) -> data.StructLayout:
    """Return the descriptor of a map.

    Members
    -------
    base : index_range(config.groups)
        Address of its first group.
    x_bits : range(side_bits(config) + 1)
        Place of the row in a pixel's number.
    g_bits : range(index_bits(config.pixel_groups) + 1)
        Place of the pixel's number in an address.
    first_edge : index_range(config.edges)
        Its first edge; the others follow.
    edges : range(config.edges + 1)
        Number of its edges.
    exponential : unsigned(1)
        Kernel of its neurons.
    threshold : range(32)
        Neurons fire at or above ``1 << threshold``.
    window : unsigned(config.time_bits)
        Latest time of a neuron's spike.
    output : unsigned(1)
        The map of the classes.
    """
    return data.StructLayout({
        "base": index_range(config.groups),
        "x_bits": range(side_bits(config) + 1),
        "g_bits": range(index_bits(config.pixel_groups) + 1),
        "first_edge": index_range(config.edges),
        "edges": range(config.edges + 1),
        "exponential": unsigned(1),
        "threshold": range(32),
        "window": unsigned(config.time_bits),
        "output": unsigned(1),
    })


def chosen_fields(layout: data.StructLayout, names: tuple[str, ...]) -> data.StructLayout:
    """Return a layout of some fields of another, for a table that needs no more."""
    return data.StructLayout({name: layout[name].shape for name in names})


def edge_layout(config: TTFSConfig) -> data.StructLayout:
    """Return the descriptor of an edge.

    Members
    -------
    kind : EdgeKind
        What it does.
    map : index_range(config.maps)
        Target.
    base : index_range(config.groups)
        Address of the target's first group.
    x_bits : range(side_bits(config) + 1)
        As of the target.
    g_bits : range(index_bits(config.pixel_groups) + 1)
        As of the target.
    last_group : index_range(config.pixel_groups)
        Groups of a pixel of the target, less one; 0 unless the edge is a synapse.
    last_y : range(config.max_side)
        Height of the target, less one.
    last_x : range(config.max_side)
        Width of the target, less one.
    kernel_y : range(config.max_kernel + 1)
        Height of the window in the source.
    kernel_x : range(config.max_kernel + 1)
        Its width.
    stride_bits : range(4)
        The stride is ``1 << stride_bits``.
    padding : range(16)
        Around the source.
    channels : index_range(config.channel_entries)
        First of the entries of its source's channels.
    exponential : unsigned(1)
        Kernel of the target's neurons.
    window : unsigned(config.time_bits)
        Spikes of this time and later have no effect.
    """
    return data.StructLayout({
        "kind": EdgeKind,
        "map": index_range(config.maps),
        "base": index_range(config.groups),
        "x_bits": range(side_bits(config) + 1),
        "g_bits": range(index_bits(config.pixel_groups) + 1),
        "last_group": index_range(config.pixel_groups),
        "last_y": range(config.max_side),
        "last_x": range(config.max_side),
        "kernel_y": range(config.max_kernel + 1),
        "kernel_x": range(config.max_kernel + 1),
        "stride_bits": range(4),
        "padding": range(16),
        "channels": index_range(config.channel_entries),
        "exponential": unsigned(1),
        "window": unsigned(config.time_bits),
    })


def channel_entry_layout(config: TTFSConfig) -> data.StructLayout:
    """Return what an edge does with one channel of its source.

    Members
    -------
    used : unsigned(1)
        Whether the channel takes part.
    value : unsigned(max(index_bits(config.weight_words), 12))
        Synapse: address of the weights of the channel's first tap. Else: channel of the target.
    delay : unsigned(config.delay_bits)
        Steps to add.
    """
    return data.StructLayout({
        "used": unsigned(1),
        "value": unsigned(max(index_bits(config.weight_words), 12)),
        "delay": unsigned(config.delay_bits),
    })


def network_layout(config: TTFSConfig) -> data.StructLayout:
    """Return what a network sets once: image, first layer, time constant.

    Members
    -------
    configuration : unsigned(32)
        First 8 digits of the configuration's hash.
    tau_shift : range(config.max_tau_shift + 1)
        The time constant is ``1 << tau_shift`` steps.
    neuron_groups : range(config.neuron_groups + 1)
        Groups of neurons in use.
    time_groups : range(config.time_groups + 1)
        Other groups in use.
    last_y : range(config.max_side)
        Height of an image, less one.
    last_x : range(config.max_side)
        Its width, less one.
    last_channel : index_range(config.max_channels)
        Its channels, less one.
    y_bits : range(side_bits(config) + 1)
        Place of the channel in the address of a pixel's bank.
    x_bits : range(side_bits(config) + 1)
        Place of the row there.
    kernel_last_y : range(config.max_kernel)
        Height of the first kernel, less one.
    kernel_last_x : range(config.max_kernel)
        Its width, less one.
    padding : range(16)
        Around the image.
    shift : range(32)
        Of a sum, to the right.
    window : unsigned(config.time_bits)
        Latest time that the first layer gives.
    first_map : index_range(config.maps)
        Map of the first layer.
    first_base : index_range(config.groups)
        Its address.
    first_last_y : range(config.max_side)
        Its height, less one.
    first_last_x : range(config.max_side)
        Its width, less one.
    first_x_bits : range(side_bits(config) + 1)
        As in `map_layout`.
    first_g_bits : range(index_bits(config.pixel_groups) + 1)
        As in `map_layout`.
    first_channels : range(config.first_groups * config.lanes + 1)
        Its channels.
    first_last_group : index_range(config.first_groups)
        Its groups of channels, less one.
    """
    side, kernel = range(config.max_side), range(config.max_kernel)
    bits = range(side_bits(config) + 1)
    return data.StructLayout({
        "configuration": unsigned(32),
        "tau_shift": range(config.max_tau_shift + 1),
        "neuron_groups": range(config.neuron_groups + 1),
        "time_groups": range(config.time_groups + 1),
        "last_y": side, "last_x": side, "last_channel": index_range(config.max_channels),
        "y_bits": bits, "x_bits": bits,
        "kernel_last_y": kernel, "kernel_last_x": kernel,
        "padding": range(16), "shift": range(32),
        "window": unsigned(config.time_bits),
        "first_map": index_range(config.maps),
        "first_base": index_range(config.groups),
        "first_last_y": side, "first_last_x": side,
        "first_x_bits": bits, "first_g_bits": range(index_bits(config.pixel_groups) + 1),
        "first_channels": range(config.first_groups * config.lanes + 1),
        "first_last_group": index_range(config.first_groups),
    })
