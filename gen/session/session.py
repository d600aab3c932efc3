# SPDX-License-Identifier: Apache-2.0
"""One program on one accelerator: load it, run images, read back what it computed."""

from dataclasses import dataclass

import numpy as np

from ..compiler.program import Program
from .device import Device
from .errors import DeviceError, SessionError, SessionTimeoutError
from .transport import Transport

__all__ = ["Session", "StepTrace"]

_RESET_POLLS = 10_000


@dataclass(frozen=True, kw_only=True, eq=False)
class StepTrace:
    """What one step of the program left in memory.

    Attributes
    ----------
    map : ndarray or None
        Spikes, bool[T, C, H, W], or integers, int64[C, H, W]; None for the readout.
    residual : ndarray or None
        Currents that it kept, int64[T, N, H, W]; None if it keeps none.
    logits : ndarray or None
        int64[classes]; None unless it is the readout.
    """

    map: np.ndarray | None = None
    residual: np.ndarray | None = None
    logits: np.ndarray | None = None


class Session:
    """Run a compiled program on an accelerator, simulated or on a board.

    Parameters
    ----------
    transport : Transport
        The way to the accelerator; the session closes it.
    base : int
        Byte address of the program image on the accelerator's memory bus.
    timeout : float
        Seconds that one start may take.

    Attributes
    ----------
    device : Device
        Registers by name.

    Raises
    ------
    SessionError
        There is no accelerator, or one that this version does not know.
    TransportError
        The way to the accelerator is broken; any method may raise it.
    """

    def __init__(self, transport: Transport, base: int = 0, timeout: float = 600.0):
        self._transport = transport
        self._base = base
        self._timeout = timeout
        self._program: Program | None = None
        self._outputs: tuple[np.ndarray, np.ndarray] | None = None
        self._last = 0  # images of the last start
        self.device = Device(transport)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    @property
    def program(self) -> Program:
        """The loaded program; raise `SessionError` if there is none."""
        if self._program is None:
            raise SessionError("no program is loaded")
        return self._program

    def load(self, program: Program) -> None:
        """Check that a program fits the accelerator, write it, and verify what was written.

        Raises
        ------
        SessionError
            It was compiled for another configuration, or the memory does not keep it.
        """
        config, manifest = self.device.config, program.manifest
        if manifest.config_hash != config.hash():
            own, theirs = config.as_dict(), manifest.config
            differ = ", ".join(f"{name}={theirs.get(name)} (accelerator: {value})"
                               for name, value in own.items() if theirs.get(name) != value)
            raise SessionError(f"configuration hash of the program must be {config.hash()}, as "
                               f"the accelerator's, not {manifest.config_hash}: {differ}")
        if self.device.read("status", "running"):
            raise SessionError("the accelerator is running: reset it first")
        self._program, self._outputs, self._last = None, None, 0
        self._transport.write_memory(0, program.content)
        found = self._transport.read_memory(0, len(program.content))
        if found != program.content:
            place = next(index for index, pair in enumerate(zip(found, program.content,
                                                                strict=True))
                         if pair[0] != pair[1])
            raise SessionError(f"byte {place} of the program must be {program.content[place]:#04x}"
                               f" in memory, not {found[place]:#04x}")
        if config.memory == "axi":
            self.device.write("base", value=self._base)
        self._program = program

    def run(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run images, as many in each start as the program was compiled for.

        Parameters
        ----------
        images : ndarray[B, H, W] or ndarray[B, C, H, W]
            uint8; without channels if there is one only.

        Returns
        -------
        tuple of ndarray
            Logits int64[B, classes] and predictions int64[B].

        Raises
        ------
        DeviceError
            The accelerator reported an error; it needs a `reset`.
        SessionError
            No program is loaded, or it did not end in time.
        ValueError
            The images do not fit the program.
        """
        manifest = self.program.manifest
        self._outputs = None
        found = [self._run_group(images[first:first + manifest.images], first)
                 for first in range(0, len(images), manifest.images)]
        logits = np.array([image[0] for group in found for image in group], np.int64)
        predictions = np.array([image[1] for group in found for image in group], np.int64)
        self._outputs = logits.reshape(-1, manifest.classes), predictions
        return self._outputs

    def outputs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return logits and predictions of the last `run`."""
        if self._outputs is None:
            raise SessionError("nothing was run")
        return self._outputs

    def counters(self) -> dict[str, int]:
        """Return the performance counters since they were cleared, of all runs together.

        There are none where ``limits.counters`` is 0; so it is with `profile`.
        """
        return self.device.counters() if self.device.config.bounds.counters else {}

    def clear_counters(self) -> None:
        """Set the performance counters to zero."""
        self.device.write("control", clear_counters=1)

    def cell_failures(self) -> int:
        """Return how many cells of crossbars missed their target since the last reset."""
        return self.device.read("cell_failures") if self.device.config.crossbar else 0

    def profile(self, image: int = -1) -> dict[str, dict[str, int]]:
        """Return the counters of each step in one image of the last start; by default the last."""
        manifest, image = self.program.manifest, self._image(image)
        if not self.device.config.bounds.counters:
            return {step.name: {} for step in manifest.steps}
        return self.program.read_profile(
            self._memory(manifest.profile_address, manifest.images * manifest.profile_words),
            image)

    def trace(self) -> dict[str, StepTrace]:
        """Return what each step left in memory: that of the last image.

        After a run that failed, it is what that run left, and older values behind it.

        Raises
        ------
        SessionError
            No program is loaded, or it lets maps share their places.
        """
        program, manifest, image = self.program, self.program.manifest, max(0, self._last - 1)
        if not manifest.kept:
            raise SessionError("maps of the program share their places in memory: compile it "
                               "with keep_all=True to read them")
        start = manifest.writable_start
        memory = self._memory(start, manifest.memory_words - start)
        return {step.name: StepTrace(
            map=program.read_map(memory, step.name) if step.map else None,
            residual=program.read_residual(memory, step.name) if step.residual else None,
            logits=(program.read_result(memory, image)[0] if step.output == "readout" else None),
        ) for step in manifest.steps}

    def stop(self) -> None:
        """Ask the accelerator to stop before the next descriptor."""
        self.device.write("control", stop=1)

    def reset(self) -> None:
        """Reset the engines; the program stays loaded.

        Raises
        ------
        SessionError
            The reset does not end.
        """
        self.device.write("control", reset=1)
        self._last, self._outputs = 0, None
        for _ in range(_RESET_POLLS):
            if not self.device.read("status", "running"):
                return
        raise SessionError("the reset does not end: the memory does not answer")

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def _run_group(self, images: np.ndarray, first: int) -> list[tuple[np.ndarray, int]]:
        """Run the images of one start; return logits and prediction of each."""
        program, manifest, device = self.program, self.program.manifest, self.device
        self._last = 0
        self._transport.write_memory(manifest.input_address * program.word_bytes,
                                     program.encode_images(images))
        device.write("interrupt_status", done=1, error=1, stopped=1)
        device.write("interrupt_enable", done=1, error=1, stopped=1)
        device.write("images", value=len(images))
        device.write("control", start=1)
        self._transport.wait(self._timeout)
        status = device.flags("status")
        if status["error"]:
            raise self._error(first)
        if status["running"]:
            descriptor = device.read("descriptor")
            raise SessionTimeoutError(
                f"no end in {self._timeout} s: image {first + device.read('images_done')}, "
                f"descriptor {descriptor} (layer {self._layer(descriptor)}) is at work")
        if status["stopped"] or not status["done"]:
            raise SessionError(f"stopped after image {first + device.read('images_done')}")
        self._last = len(images)
        memory = self._memory(manifest.result_address, len(images) * manifest.result_words)
        return [program.read_result(memory, image) for image in range(len(images))]

    def _error(self, first: int) -> DeviceError:
        """Return the error that the device reports."""
        error, image = self.device.flags("error"), self.device.read("error_image")
        return DeviceError(error["code"], error["descriptor"], self._layer(error["descriptor"]),
                           first + image)

    def _layer(self, descriptor: int) -> str:
        steps = self.program.manifest.steps
        return steps[descriptor].name if descriptor < len(steps) else ""

    def _image(self, image: int) -> int:
        """Return the index in the last start."""
        if not self._last:
            raise SessionError("nothing was run")
        if not -self._last <= image < self._last:
            raise IndexError(f"image must be in {-self._last}..{self._last - 1}, not {image}")
        return image % self._last

    def _memory(self, address: int, words: int) -> np.ndarray:
        """Return memory as uint8 from the image's start; outside of these words it is zero."""
        word_bytes = self.program.word_bytes
        memory = np.zeros((address + words) * word_bytes, np.uint8)
        content = self._transport.read_memory(address * word_bytes, words * word_bytes)
        memory[address * word_bytes:] = np.frombuffer(content, np.uint8)
        return memory
