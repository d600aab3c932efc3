# SPDX-License-Identifier: Apache-2.0
"""The protocol of the host link, as both its ends know it."""

from amaranth.lib import enum

from ..soc.register_map import REGISTER_ADDRESS_BITS

__all__ = ["CHECKSUM_BYTES", "HEAD_BYTES", "LINK_VERSION", "MAX_WORDS", "MOVES", "OWN_REGISTERS",
           "WRITES", "Status"]

LINK_VERSION = 1
MAX_WORDS = 64  # in one frame
HEAD_BYTES = 5  # of a request: sequence, command, offset, count
CHECKSUM_BYTES = 4
WRITES, MOVES = 1, 2  # bits of a command
OWN_REGISTERS = 1 << REGISTER_ADDRESS_BITS  # offset of the link's own ones


class Status(enum.IntEnum, shape=2):
    """Second byte of a response."""

    OK = 0
    BAD_REQUEST = 1
    BUS_ERROR = 2
