# SPDX-License-Identifier: Apache-2.0
"""A compiled network on the accelerator, image by image, every layer's output compared."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..gen.compiler.program import Program, Step
from ..gen.session.errors import DeviceError, SessionTimeoutError
from ..gen.session.session import Session
from ..gen.session.transport import Transport
from ..models.golden.network import IntegerNetwork, Trace
from ..models.golden.source import IMAGE
from ..rtl.config import AcceleratorConfig
from .divergence import Divergence, Writes, first_divergence, golden_steps
from .layer_events import Events, layer_events, memory_events

__all__ = ["LIMITS", "LayerReport", "ProgramReport", "RunTransport", "run_program"]

# What binds a layer, by the element cycles that count for it.
LIMITS = {
    "compute": ("match", "empty", "stall_join"),
    "output": ("stall_output",),
    "spikes": ("stall_row",),
    "weights": ("stall_column",),
    "idle": ("idle",),
}
_BYTES = {"weight_bytes": "weight_words", "spike_bytes": "spike_words",
          "other_bytes": "other_words", "written_bytes": "words_written"}


class RunTransport(Transport, Protocol):
    """A transport that counts cycles and logs writes."""

    cycle: int
    cycles: int
    seconds: float

    def log_writes(self, on: bool) -> None:
        """Begin to log the words that the accelerator writes, anew, or end it."""
        ...

    def logged_writes(self) -> Writes:
        """Return cycle and word address of each word in the log just ended."""
        ...


@dataclass(kw_only=True)
class LayerReport:
    """What a layer cost, over all images, and whether it was exact.

    Attributes
    ----------
    name : str
        "image" where the image is encoded.
    engine : str
        That computed: the kind of elements, or "crossbar", "attention" or "residual_pool"; empty
        for the image.
    exact : bool or None
        None if it was not compared.
    counters : dict of str to int
        Sums of the profile records.
    cycles, predicted : int
        Sum, and what the compiler predicted for as many images.
    utilisation : float
        Matches (``bcast``: additions) per element and cycle; of crossbars the share of cycles
        in which they are read.
    limit : str
        One of `LIMITS`, that takes most element cycles; empty if there are none. Crossbars
        wait for weights while their cells are programmed.
    bytes : dict of str to int
        Read as weights, as spikes and for all else; written.
    events : dict
        How often what costs energy happened, see `layer_events`; those of the memory are of its
        bytes.
    """

    name: str
    engine: str = ""
    predicted: int = 0
    exact: bool | None = None
    counters: dict[str, int] = field(default_factory=dict)
    cycles: int = 0
    utilisation: float = 0.0
    limit: str = ""
    bytes: dict[str, int] = field(default_factory=dict)
    events: Events = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ProgramReport:
    """How a program ran.

    Attributes
    ----------
    network : str
    images : int
        That ended.
    layers : list of LayerReport
    logits : list of list of int
    predictions : list of int
    exact : bool
        Whether all that was compared is equal.
    divergence : Divergence or None
        The first wrong value; its cycle counts from the start of its run.
    divergent_image : int
        Its image; -1 if there is none.
    error : str
        With which the run ended early, or empty.
    cycles : int
        Simulated while images ran.
    seconds : float
        On the wall, that they took.
    """

    network: str
    images: int
    layers: list[LayerReport]
    logits: list[list[int]]
    predictions: list[int]
    exact: bool
    divergence: Divergence | None
    divergent_image: int
    error: str
    cycles: int
    seconds: float

    @property
    def cycles_per_second(self) -> float:
        """Speed of the simulation."""
        return self.cycles / self.seconds if self.seconds else 0.0


def run_program(program: Program, network: IntegerNetwork, images: Tensor,
                transport: RunTransport, *, every_image: bool = True, timeout: float = 600.0,
                progress: Callable[[int], None] = lambda done: None) -> ProgramReport:
    """Run images and compare what each layer left in memory; stop at the first difference.

    Logits and predictions of all images are compared; the layers' outputs of each, or, unless
    ``every_image``, of the last image of each start. The transport stays open.

    Parameters
    ----------
    program : Program
        Compiled with ``keep_all=True``.
    images : Tensor[B, C, H, W] or Tensor[B, H, W]
        uint8.
    timeout : float
        Seconds that one start may take.
    progress : callable
        Called with the number of images that ended, after each start.

    Raises
    ------
    SessionError
        The program does not fit the accelerator, or does not keep its maps.
    TransportError
        The simulation broke, or the accelerator broke a rule of its memory bus.
    """
    session = Session(transport, timeout=timeout)
    session.load(program)
    run = _Run(program, network, session, transport)
    group = 1 if every_image else program.manifest.images
    for first in range(0, len(images), group):
        if not run.run(images[first:first + group], first):
            break
        progress(first + len(images[first:first + group]))
    return run.report()


class _Run:
    """What has been found so far."""

    def __init__(self, program: Program, network: IntegerNetwork, session: Session,
                 transport: RunTransport):
        self._program, self._network = program, network
        self._session, self._transport = session, transport
        self._layers = {step.name: LayerReport(name=step.name) for step in program.manifest.steps}
        self._logits: list[list[int]] = []
        self._predictions: list[int] = []
        self._divergence: Divergence | None = None
        self._divergent_image = -1
        self._error = ""
        self._started = transport.cycles, transport.seconds

    def run(self, images: Tensor, first: int) -> bool:
        """Run one start; return whether all was well."""
        with torch.no_grad():
            trace = self._network.run(images)
        transport, session = self._transport, self._session
        transport.log_writes(True)
        began, outputs = transport.cycle, None
        try:
            outputs = session.run(images.numpy())
        except (DeviceError, SessionTimeoutError) as error:
            self._error = str(error)
        transport.log_writes(False)
        cycles, words = transport.logged_writes()
        pixels, last = images.numpy(), len(images) - 1
        golden = golden_steps(self._network, trace, pixels, last)
        found = first_divergence(self._program, golden, session.trace(), (cycles - began, words),
                                 last)
        exact = found is None
        if outputs:
            logits, predictions = outputs
            self._logits += logits.tolist()
            self._predictions += predictions.tolist()
            self._add_profile(len(images))
            self._add_events(trace)
            exact &= (np.array_equal(logits, trace.logits.numpy())
                      and np.array_equal(predictions, trace.predictions.numpy()))
        if not exact or not outputs:
            self._divergence, self._divergent_image = found, first + last
            if found is None and outputs:
                self._error = f"logits or predictions of images {first}..{first + last} differ"
        self._judge(found, outputs is not None)
        return exact and outputs is not None

    def report(self) -> ProgramReport:
        """Return what was found."""
        config, failures = self._program.config, self._session.cell_failures()
        if failures and not self._error:
            self._error = f"{failures} cells of the crossbars missed their targets"
        for step in self._program.manifest.steps:
            _complete(self._layers[step.name], step, config, len(self._predictions))
        return ProgramReport(
            network=self._network.name, images=len(self._predictions),
            layers=list(self._layers.values()), logits=self._logits,
            predictions=self._predictions, exact=self._divergence is None and not self._error,
            divergence=self._divergence, divergent_image=self._divergent_image,
            error=self._error, cycles=self._transport.cycles - self._started[0],
            seconds=self._transport.seconds - self._started[1])

    def _add_profile(self, images: int) -> None:
        for image in range(images):
            for name, counters in self._session.profile(image).items():
                known = self._layers[name].counters
                for counter, value in counters.items():
                    known[counter] = known.get(counter, 0) + value

    def _add_events(self, trace: Trace) -> None:
        for layer in self._network.layers:
            for part, counts in layer_events(layer, trace[layer.name],
                                             self._program.config).items():
                known = self._layers[layer.name].events.setdefault(part, {})
                for event, count in counts.items():
                    known[event] = known.get(event, 0) + count

    def _judge(self, found: Divergence | None, ended: bool) -> None:
        """Mark the layers up to the first wrong one; those behind it are not judged."""
        for name, layer in self._layers.items():
            if found and found.layer == name:
                layer.exact = False
                return
            if ended and layer.exact is None:
                layer.exact = True


def _complete(layer: LayerReport, step: Step, config: AcceleratorConfig, images: int) -> None:
    """Work out from the counters what a report says of a layer."""
    counters = layer.counters
    if step.name != IMAGE:
        layer.engine = config.pe if step.engine == "elements" else step.engine
    layer.predicted = step.cycles * images
    layer.cycles = counters.get("cycles", 0)
    if layer.cycles and step.engine in ("elements", "crossbar"):
        elements = config.tppes if step.engine == "elements" else 1
        layer.utilisation = counters["match"] / (elements * layer.cycles)
    shares = {limit: sum(counters.get(name, 0) for name in names)
              for limit, names in LIMITS.items()}
    if step.name != IMAGE and any(shares.values()):
        layer.limit = max(shares, key=lambda limit: shares[limit])
    word_bytes = config.memory_bits // 8
    layer.bytes = {name: counters.get(counter, 0) * word_bytes
                   for name, counter in _BYTES.items()}
    layer.events["memory"] = memory_events(layer.bytes, config)
