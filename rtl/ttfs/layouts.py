# SPDX-License-Identifier: Apache-2.0
"""Payloads of the time-to-first-spike core.

A *group* is ``P`` adjacent channels of a pixel. That of channels ``g * P`` and on at ``(y, x)``
of a map has the address ``base + (((y << x_bits) | x) << g_bits) + g``; addresses below
``neuron_groups`` are those of neurons. An *element* is a lane of a group.
"""

from amaranth import signed, unsigned
from amaranth.lib import data

from ..config import TTFSConfig
from ..ftp.layouts import index_range

__all__ = ["element_layout", "lane_layout", "spikes_layout", "state_layout", "timed_layout"]


def element_layout(config: TTFSConfig) -> data.StructLayout:
    """Return the address of one element.

    Members
    -------
    lane : index_range(config.lanes)
        Of its group.
    group : index_range(config.groups)
        Address of the group.
    map : index_range(config.maps)
        Map that it belongs to.
    """
    return data.StructLayout({
        "lane": index_range(config.lanes),
        "group": index_range(config.groups),
        "map": index_range(config.maps),
    })


def timed_layout(config: TTFSConfig) -> data.StructLayout:
    """Return a spike to come.

    Members
    -------
    time : unsigned(config.time_bits)
        When.
    element : element_layout(config)
        Of what.
    """
    return data.StructLayout({
        "time": unsigned(config.time_bits),
        "element": element_layout(config),
    })


def spikes_layout(config: TTFSConfig) -> data.StructLayout:
    """Return the spikes to come of a group.

    Members
    -------
    times : data.ArrayLayout(unsigned(config.time_bits), config.lanes)
        When each lane spikes.
    mask : unsigned(config.lanes)
        Lanes that spike.
    group : index_range(config.groups)
        Address of the group.
    map : index_range(config.maps)
        Map that it belongs to.
    """
    return data.StructLayout({
        "times": data.ArrayLayout(unsigned(config.time_bits), config.lanes),
        "mask": unsigned(config.lanes),
        "group": index_range(config.groups),
        "map": index_range(config.maps),
    })


def lane_layout(config: TTFSConfig) -> data.StructLayout:
    """Return what one neuron holds.

    Members
    -------
    time : unsigned(config.time_bits)
        When it fired; all ones if it has not.
    charge : signed(config.charge_width)
        Sum of weights, or synaptic current.
    potential : signed(config.potential_width)
        Membrane potential.
    """
    return data.StructLayout({
        "time": unsigned(config.time_bits),
        "charge": signed(config.charge_width),
        "potential": signed(config.potential_width),
    })


def state_layout(config: TTFSConfig) -> data.StructLayout:
    """Return what a group of neurons holds.

    Members
    -------
    lanes : data.ArrayLayout(lane_layout(config), config.lanes)
        The neurons.
    awake : unsigned(1)
        Whether the group waits to be updated at the end of the step.
    moving : unsigned(1)
        Whether updates without events would change a neuron that has not fired.
    step : unsigned(config.time_bits)
        The first step whose update has not been made, if ``moving``.
    """
    return data.StructLayout({
        "lanes": data.ArrayLayout(lane_layout(config), config.lanes),
        "awake": unsigned(1),
        "moving": unsigned(1),
        "step": unsigned(config.time_bits),
    })
