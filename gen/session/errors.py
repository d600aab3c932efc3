# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in a session."""

from ...rtl.soc.register_map import ERROR_MEANINGS, ErrorCode

__all__ = ["DeviceError", "SessionError", "SessionTimeoutError"]


class SessionError(RuntimeError):
    """A session cannot go on; the message says what does not fit."""


class SessionTimeoutError(SessionError):
    """The accelerator did not end in time; it may still be running."""


class DeviceError(SessionError):
    """The accelerator ended a run with an error.

    Parameters
    ----------
    code : int
        As the register says it.
    descriptor : int
        At work then.
    layer : str
        Of the descriptor; empty if it belongs to none.
    image : int
        Index of the image at work, among those of the session's `run`.

    Attributes
    ----------
    name : str
        Of the code, lower case.
    """

    def __init__(self, code: int, descriptor: int, layer: str, image: int):
        known = code in ERROR_MEANINGS
        self.code, self.descriptor, self.layer, self.image = code, descriptor, layer, image
        self.name = ErrorCode(code).name.lower() if known else f"code_{code}"
        meaning = ERROR_MEANINGS[ErrorCode(code)] if known else "Unknown to this version."
        place = f"descriptor {descriptor}" + (f" (layer {layer})" if layer else "")
        super().__init__(f"{self.name} in image {image}, {place}: {meaning}")
