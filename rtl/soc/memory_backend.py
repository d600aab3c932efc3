# SPDX-License-Identifier: Apache-2.0
"""What the arbiters ask of a memory: bursts that stay in order, one answer for each."""

from amaranth import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig
from .memory_port import ADDRESS_BITS

__all__ = ["ReadBackend", "WriteBackend", "acknowledgement_layout", "burst_layout",
           "response_layout", "write_word_layout"]


def burst_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return a burst; it never crosses a multiple of ``burst_words`` words.

    Members
    -------
    address : unsigned(32)
        First word, from the start of the program image.
    words : range(config.burst_words + 1)
        How many, 1..burst_words.
    """
    return data.StructLayout({
        "address": unsigned(ADDRESS_BITS), "words": range(config.burst_words + 1),
    })


def response_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return one word of a burst that was read.

    Members
    -------
    data : unsigned(config.memory_bits)
        The word.
    error : unsigned(1)
        It could not be read; ``data`` means nothing.
    last : unsigned(1)
        Last word of its burst.
    """
    return data.StructLayout({
        "data": unsigned(config.memory_bits), "error": unsigned(1), "last": unsigned(1),
    })


def write_word_layout(config: AcceleratorConfig) -> data.StructLayout:
    """Return one word of a burst to write.

    Members
    -------
    data : unsigned(config.memory_bits)
        The word.
    last : unsigned(1)
        Last word of its burst.
    """
    return data.StructLayout({"data": unsigned(config.memory_bits), "last": unsigned(1)})


def acknowledgement_layout() -> data.StructLayout:
    """Return the answer to a burst that was written.

    Members
    -------
    error : unsigned(1)
        Not all of its words were written.
    """
    return data.StructLayout({"error": unsigned(1)})


class ReadBackend(wiring.Signature):
    """What the read arbiter sees of a memory.

    A memory answers every burst with exactly its words, all bursts in order, errors or not.

    Parameters
    ----------
    config : AcceleratorConfig
    """

    def __init__(self, config: AcceleratorConfig):
        super().__init__({
            "burst": Out(stream.Signature(burst_layout(config))),
            "response": In(stream.Signature(response_layout(config))),
        })


class WriteBackend(wiring.Signature):
    """What the write arbiter sees of a memory.

    The words of all bursts come in the order of the bursts, and never wait for anything but the
    memory once their burst is offered. A memory answers every burst once, when it is written.

    Parameters
    ----------
    config : AcceleratorConfig
    """

    def __init__(self, config: AcceleratorConfig):
        super().__init__({
            "burst": Out(stream.Signature(burst_layout(config))),
            "data": Out(stream.Signature(write_word_layout(config))),
            "acknowledgement": In(stream.Signature(acknowledgement_layout())),
        })
