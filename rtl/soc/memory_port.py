# SPDX-License-Identifier: Apache-2.0
"""How units reach the memory: bursts of words, in order, never blocking one another."""

from amaranth import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import AcceleratorConfig

__all__ = ["ADDRESS_BITS", "ReadClient", "WriteClient", "request_layout"]

ADDRESS_BITS = 32  # of a word address, from the start of the program image


def request_layout() -> data.StructLayout:
    """Return a request for consecutive words.

    Members
    -------
    address : unsigned(32)
        First word, from the start of the program image.
    words : unsigned(32)
        How many; at least 1.
    """
    return data.StructLayout({"address": unsigned(ADDRESS_BITS), "words": unsigned(32)})


class ReadClient(wiring.Signature):
    """What a reader sees of the memory.

    A request may be of any length; the memory's side splits it into bursts. The data of all
    requests comes in order. A reader may let data wait as long as it likes: other readers go on.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    request : Out(stream.Signature(request_layout()))
        What to access.
    data : In(stream.Signature(unsigned(config.memory_bits)))
        Its words.
    """

    def __init__(self, config: AcceleratorConfig):
        super().__init__({
            "request": Out(stream.Signature(request_layout())),
            "data": In(stream.Signature(unsigned(config.memory_bits))),
        })

    def __eq__(self, other: object) -> bool:
        other = other.flip() if isinstance(other, wiring.FlippedSignature) else other
        return isinstance(other, type(self)) and self.members == other.members


class WriteClient(wiring.Signature):
    """What a writer sees of the memory.

    A request is of at most ``burst_words`` words; its data follows, word by word. A writer makes
    a request only when it holds all the data, so that it cannot keep other writers waiting.

    Parameters
    ----------
    config : AcceleratorConfig

    Members
    -------
    request : Out(stream.Signature(request_layout()))
        What to access.
    data : Out(stream.Signature(unsigned(config.memory_bits)))
        Its words.
    """

    def __init__(self, config: AcceleratorConfig):
        super().__init__({
            "request": Out(stream.Signature(request_layout())),
            "data": Out(stream.Signature(unsigned(config.memory_bits))),
        })

    def __eq__(self, other: object) -> bool:
        other = other.flip() if isinstance(other, wiring.FlippedSignature) else other
        return isinstance(other, type(self)) and self.members == other.members
