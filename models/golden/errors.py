# SPDX-License-Identifier: Apache-2.0
"""Errors of the golden models."""

__all__ = ["FiberError", "GoldenError", "NetworkError", "NetworkFileError", "PsumOverflowError"]


class GoldenError(ValueError):
    """An operand outside its limits; the message names field, value and limit."""


class FiberError(GoldenError):
    """A fiber whose masks, offsets and values contradict each other; names the chunk."""


class PsumOverflowError(GoldenError):
    """A partial sum that its width cannot hold; names the position and the value."""


class NetworkError(GoldenError):
    """An integer network whose layers do not fit together; names the layer."""


class NetworkFileError(NetworkError):
    """A network file with a missing or corrupt field; names the file and the field."""
