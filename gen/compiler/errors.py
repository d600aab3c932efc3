# SPDX-License-Identifier: Apache-2.0
"""Why a network cannot run on a configuration, or a program cannot be read."""

from typing import Any

__all__ = ["CompileError", "ProgramError"]


class CompileError(ValueError):
    """A network that a configuration cannot run; the message names layer, field, value and limit.

    Parameters
    ----------
    layer : str
        The layer, or the network if it is about all of them.
    field : str
        What does not fit.
    limit : str
        What it must be, as the end of the sentence "must be ...".
    value : Any
        What it is.
    hint : str
        What the user can do.
    """

    def __init__(self, layer: str, field: str, limit: str, value: Any, hint: str):
        super().__init__(f"{layer}: {field} must be {limit}, not {value}; {hint}")
        self.layer, self.field, self.limit, self.value, self.hint = (
            layer, field, limit, value, hint)


class ProgramError(ValueError):
    """Program files that are corrupt or do not belong together; the message names the field."""
