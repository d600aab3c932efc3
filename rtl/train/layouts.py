# SPDX-License-Identifier: Apache-2.0
"""What the units of a training core exchange."""

from amaranth import Const, signed, unsigned
from amaranth.lib import data, enum

from ..config import TrainConfig
from ..ftp.layouts import index_range

__all__ = ["SHIFTS", "Core", "Mode", "Operation", "Phase", "access_layout", "address_bits",
           "event_layout", "happening_layout", "lane_exists", "packet_layout", "settings_layout",
           "sums_layout"]

SHIFTS = ("dy", "dm", "db", "dh", "dx", "dg1", "dg2", "dg3", "dg4", "dw", "error", "readout")


class Mode(enum.Enum, shape=unsigned(2)):
    """How the cores of a layer are connected; DENSE is a kernel of 3x3 taps in their place."""

    STT = 0
    PTT = 1
    HTT = 2
    DENSE = 3


class Core(enum.Enum, shape=unsigned(3)):
    """Weights that belong together."""

    G1 = 0
    G2 = 1
    G3 = 2
    G4 = 3
    DENSE = 4


class Operation(enum.Enum, shape=unsigned(2)):
    """What a cluster does for a pixel."""

    FORWARD = 0
    BACK = 1     # errors of the inputs
    OUTER = 2    # gradients of the weights


class Phase(enum.Enum, shape=unsigned(3)):
    """What a core can be told to do."""

    FORWARD = 0
    READOUT = 1
    BACK = 2
    UPDATE = 3   # masters and shifts, at the end of a batch
    CLEAR = 4    # sums of gradients, and magnitudes


def address_bits(count: int) -> int:
    """Return the bits of an address of ``count`` things; none if there is but one."""
    return (count - 1).bit_length()


def lane_exists(lane: int, group, last, lane_bits: int):
    """Return whether a lane of a group of channels is one of the channels ``0..last``."""
    whole = group != last >> lane_bits
    return whole | (last[:lane_bits] >= lane) if lane else Const(1)


def settings_layout(config: TrainConfig) -> data.StructLayout:
    """Return what is trained, once it was found to be right.

    Members
    -------
    mode : unsigned(2)
        `Mode`.
    inputs_last : index_range(max_inputs)
        Channels less 1.
    outputs_last : index_range(max_outputs)
        Channels less 1.
    rank_last : index_range(max_rank)
        Rank less 1.
    steps_last : index_range(max_timesteps)
        Timesteps less 1.
    pixels : range(max_pixels + 1)
        Of an image.
    height : range(max_pixels + 1)
        Rows of pixels.
    width : range(max_pixels + 1)
        Pixels of a row.
    full : unsigned(max_timesteps)
        Timesteps at which all cores run.
    shift_h : unsigned(4)
        Right shift of what G1 adds up.
    shift_b : unsigned(4)
        Of what G2 adds up, in the mode STT.
    shift_m : unsigned(4)
        Of what the middle cores add up.
    shift_y : unsigned(4)
        Of the currents.
    threshold : unsigned(14)
        Of the neurons.
    rate : unsigned(8)
        Learning rate.
    pool : unsigned(2)
        Side of a window of the readout, as a power of two.
    windows_last : index_range(max_windows)
        Windows less 1.
    classes_last : index_range(max_classes)
        Classes less 1.
    shift_logits : unsigned(5)
        Right shift of the logits.
    per_window : unsigned(1)
        The error of the spikes is the readout's, one for each window and all timesteps.
    """
    pixels = range(config.max_pixels + 1)
    return data.StructLayout({
        "mode": unsigned(2),
        "inputs_last": index_range(config.max_inputs),
        "outputs_last": index_range(config.max_outputs),
        "rank_last": index_range(config.max_rank),
        "steps_last": index_range(config.max_timesteps),
        "pixels": pixels, "height": pixels, "width": pixels,
        "full": unsigned(config.max_timesteps),
        "shift_h": unsigned(4), "shift_b": unsigned(4), "shift_m": unsigned(4),
        "shift_y": unsigned(4), "threshold": unsigned(14), "rate": unsigned(8),
        "pool": unsigned(2), "windows_last": index_range(config.max_windows),
        "classes_last": index_range(config.max_classes), "shift_logits": unsigned(5),
        "per_window": unsigned(1),
    })


def sums_layout(config: TrainConfig) -> data.StructLayout:
    """Return what a cluster adds up for a pixel at a timestep, in a group of channels.

    Members
    -------
    valid : unsigned(1)
        There is one.
    core : unsigned(3)
        `Core`.
    back : unsigned(1)
        Errors of inputs, not outputs.
    bypass : unsigned(1)
        The middle cores do not run at this timestep.
    pixel : index_range(max_pixels)
        Of the image.
    step : index_range(max_timesteps)
        Timestep.
    group : index_range(max_groups)
        Channels ``group * L`` and up.
    values : data.ArrayLayout(signed(32), L)
        Sums; zero of channels that are not there.
    """
    return data.StructLayout({
        **_place(config), "values": data.ArrayLayout(signed(32), config.lanes)})


def packet_layout(config: TrainConfig) -> data.StructLayout:
    """Return what sums are rescaled to; its fields are those of `sums_layout`.

    Members
    -------
    valid : unsigned(1)
        There is one.
    core : unsigned(3)
        `Core`.
    back : unsigned(1)
        Errors of inputs, not outputs.
    bypass : unsigned(1)
        The middle cores do not run at this timestep.
    pixel : index_range(max_pixels)
        Of the image.
    step : index_range(max_timesteps)
        Timestep.
    group : index_range(max_groups)
        Channels ``group * L`` and up.
    values : data.ArrayLayout(signed(16), L)
        Rescaled sums.
    """
    return data.StructLayout({
        **_place(config), "values": data.ArrayLayout(signed(16), config.lanes)})


def _place(config: TrainConfig) -> dict:
    return {
        "valid": unsigned(1), "core": unsigned(3), "back": unsigned(1), "bypass": unsigned(1),
        "pixel": index_range(config.max_pixels), "step": index_range(config.max_timesteps),
        "group": index_range(config.max_groups),
    }


def event_layout(config: TrainConfig) -> data.StructLayout:
    """Return what happens in a cluster in one cycle.

    Members
    -------
    accumulates : range(lanes + 1)
        Weights or errors added for a spike.
    multiplies : range(lanes + 1)
        Products added.
    skipped : range(lanes + 1)
        Operands that are zero, in place of one of these.
    weights : unsigned(1)
        A word of weights is read.
    activations : unsigned(1)
        A word of activations is read.
    spikes : unsigned(1)
        A word of spikes is read.
    errors : unsigned(1)
        A word of errors is read.
    gradients : unsigned(1)
        A word of gradients is read and written.
    """
    lanes = range(config.lanes + 1)
    return data.StructLayout({
        "accumulates": lanes, "multiplies": lanes, "skipped": lanes, "weights": unsigned(1),
        "activations": unsigned(1), "spikes": unsigned(1), "errors": unsigned(1),
        "gradients": unsigned(1)})


def happening_layout(config: TrainConfig) -> data.StructLayout:
    """Return what happens in a cycle.

    Members
    -------
    clusters : data.ArrayLayout(event_layout(config), 4)
        In each cluster.
    activation_writes : unsigned(3)
        Words of activations written.
    error_writes : unsigned(3)
        Words of errors written.
    currents : unsigned(1)
        Neurons of a group get currents.
    derivatives : unsigned(1)
        Neurons of a group get errors.
    """
    return data.StructLayout({
        "clusters": data.ArrayLayout(event_layout(config), 4),
        "activation_writes": unsigned(3), "error_writes": unsigned(3), "currents": unsigned(1),
        "derivatives": unsigned(1)})


def access_layout(config: TrainConfig) -> data.StructLayout:
    """Return an access to the weights of a store.

    Members
    -------
    read : unsigned(1)
        Read masters.
    write : unsigned(1)
        Write masters.
    store : unsigned(3)
        Clusters in their order, then the readout.
    address : unsigned(20)
        Of the word.
    word : data.ArrayLayout(signed(16), lanes)
        What is written.
    """
    return data.StructLayout({
        "read": unsigned(1), "write": unsigned(1), "store": unsigned(3),
        "address": unsigned(20), "word": packet_layout(config)["values"].shape})
