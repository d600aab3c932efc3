# SPDX-License-Identifier: Apache-2.0
"""The host's end of the link: requests, repeated until they are answered."""

import time
from dataclasses import dataclass
from typing import Protocol

from ...rtl.link.protocol import (
    LINK_VERSION,
    MAX_WORDS,
    MOVES,
    OWN_REGISTERS,
    WRITES,
    Status,
)
from ..session.transport import TransportError
from .framing import FrameReader, frame

__all__ = ["Host", "LinkErrors", "Port"]

_WORD = 4  # bytes
_REFUSALS: dict[int, str] = {Status.BUS_ERROR: "SLVERR", Status.BAD_REQUEST: "not understood"}


class Port(Protocol):
    """A serial line, such as ``serial.Serial``."""

    timeout: float | None

    def read(self, size: int = 1) -> bytes:
        """Return at most ``size`` bytes, fewer after ``timeout`` seconds."""
        ...

    def write(self, data: bytes, /) -> int | None:
        """Send bytes."""
        ...

    def close(self) -> None:
        """Give the line back."""
        ...


@dataclass(kw_only=True)
class LinkErrors:
    """What went wrong on the line; nothing was lost by it.

    Attributes
    ----------
    requests : int
        That were made.
    timeouts : int
        Requests or answers that did not arrive in time.
    dropped : int
        Damaged frames from the board.
    stale : int
        Answers to requests that had been answered before.
    board_dropped, board_repeated : int
        Damaged frames to the board, and answers that it sent again; as `Host.update` found them.
    """

    requests: int = 0
    timeouts: int = 0
    dropped: int = 0
    stale: int = 0
    board_dropped: int = 0
    board_repeated: int = 0


class Host:
    """Make requests one at a time.

    Parameters
    ----------
    port : Port
        The line; closed by `close`.
    name : str
        Of the line, for messages.
    timeout : float
        Seconds that an answer may take.
    retries : int
        How often a request is made again before it is given up.

    Attributes
    ----------
    errors : LinkErrors
    words : int
        Most words in a request.

    Raises
    ------
    TransportError
        Nobody answers, or not as a host link of this version.
    """

    def __init__(self, port: Port, name: str, timeout: float, retries: int):
        self.errors = LinkErrors()
        self.words = MAX_WORDS
        self._port, self._name = port, name
        self._timeout, self._retries = timeout, retries
        self._frames = FrameReader()
        self._sequence = 0  # that is always carried out: it may be a new session's first
        self._base: tuple[int, int] = 0, 0
        try:
            own = self._own()
        except TransportError:
            port.close()
            raise
        self._base, (self.words, version) = own[:2], own[2:]
        if version != LINK_VERSION:
            port.close()
            raise TransportError(f"{name}: version of the host link must be {LINK_VERSION}, "
                                 f"not {version}")

    def read(self, offset: int, count: int, moves: bool) -> bytes:
        """Return words of a register, or from it on if ``moves``."""
        return self._ask(f"read of register {offset:#x}", MOVES * moves, offset, count,
                         wanted=count * _WORD)

    def write(self, offset: int, data: bytes, moves: bool) -> None:
        """Write words to a register, or from it on if ``moves``."""
        self._ask(f"write of register {offset:#x}", WRITES | MOVES * moves, offset,
                  len(data) // _WORD, data)

    def update(self) -> LinkErrors:
        """Return the errors, those that the board saw among them."""
        dropped, repeated, *_ = self._own()
        self.errors.board_dropped = (dropped - self._base[0]) % 65536
        self.errors.board_repeated = (repeated - self._base[1]) % 65536
        return self.errors

    def close(self) -> None:
        """Give the line back."""
        self._port.close()

    def _own(self) -> tuple[int, int, int, int]:
        """Return what the link says of itself: dropped, repeated, words and version."""
        first = self._ask("read of the host link", 0, OWN_REGISTERS, 1, wanted=_WORD)
        second = self._ask("read of the host link", 0, OWN_REGISTERS + _WORD, 1, wanted=_WORD)
        return (int.from_bytes(first[:2], "little"), int.from_bytes(first[2:], "little"),
                second[0], second[1])

    def _ask(self, what: str, command: int, offset: int, count: int, payload: bytes = b"",
             wanted: int = 0) -> bytes:
        """Make a request until it is answered; return the words of the answer."""
        sequence = self._sequence
        self._sequence = sequence % 255 + 1
        self.errors.requests += 1
        line = frame(bytes([sequence, command, *offset.to_bytes(2, "little"), count]) + payload)
        for _ in range(self._retries + 1):
            self._send(line)
            answer = self._answer(sequence)
            if answer is not None:
                return self._judged(what, answer, wanted)
            self.errors.timeouts += 1
        raise TransportError(f"{self._name}: nobody answers to a {what} in {self._retries + 1} "
                             f"times {self._timeout} s; {self.errors.dropped} damaged frames came")

    def _judged(self, what: str, answer: bytes, wanted: int) -> bytes:
        status, words = answer[1], answer[2:]
        if status == Status.OK and len(words) == wanted:
            return words
        meaning = _REFUSALS.get(status, f"status {status}, {len(words)} bytes instead of {wanted}")
        raise TransportError(f"{self._name}: {what}: {meaning}")

    def _send(self, line: bytes) -> None:
        try:
            self._port.write(line)
        except OSError as error:
            raise TransportError(f"{self._name}: {error}") from None

    def _answer(self, sequence: int) -> bytes | None:
        """Return the answer to a request, None if it does not come in time."""
        end = time.monotonic() + self._timeout
        while line := self._receive(max(0.0, end - time.monotonic())):
            found = None
            for content in self._frames.feed(line):
                if len(content) >= 2 and content[0] == sequence and found is None:
                    found = content
                else:
                    self.errors.stale += 1
            self.errors.dropped = self._frames.dropped
            if found is not None:
                return found
        return None

    def _receive(self, seconds: float) -> bytes:
        """Return what comes, nothing if that takes too long."""
        try:
            self._port.timeout = seconds
            first = self._port.read(1)
            self._port.timeout = 0
            return first + self._port.read(4096) if first else b""
        except OSError as error:
            raise TransportError(f"{self._name}: {error}") from None
