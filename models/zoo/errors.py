# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with the networks of the zoo."""

__all__ = ["UnknownNetworkError"]


class UnknownNetworkError(KeyError):
    """A name that no network has; the message lists the known names."""

    def __str__(self) -> str:
        return str(self.args[0])
