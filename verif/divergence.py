# SPDX-License-Identifier: Apache-2.0
"""The first value in which a run differs from the golden model, and the cycle it was written in."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..gen.compiler.maps import Residual, SpikeMap, TileOrder
from ..gen.compiler.program import Program, Step
from ..gen.session.session import StepTrace
from ..models.golden.network import IntegerNetwork, Trace
from ..models.golden.source import IMAGE

__all__ = ["Divergence", "Writes", "differs", "first_divergence", "golden_steps"]

_NEVER = np.int64(1) << 62

Writes = tuple[np.ndarray, np.ndarray]  # cycle and word address of each word written


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The first wrong value of the first layer that has one.

    Attributes
    ----------
    layer : str
        "image" where the image is encoded.
    kind : str
        "spike", "integer", "residual" or "logit".
    channel, y, x : int
        The neuron; of spikes after pooling.
    timestep : int or None
        None for integers and logits.
    expected, got : int
    wrong, values : int
        Wrong values of the layer's output of that kind, of how many.
    word : int
        Address of the first memory word of its slot.
    cycle : int or None
        In which the last word of its slot was written, by the clock of the log; None if there is
        no log, or if the slot was not written.
    waves : Path or None
        Waves around that cycle.
    """

    layer: str
    kind: str
    channel: int
    y: int
    x: int
    timestep: int | None
    expected: int
    got: int
    wrong: int
    values: int
    word: int
    cycle: int | None = None
    waves: Path | None = None

    def __str__(self) -> str:
        step = "" if self.timestep is None else f", timestep {self.timestep}"
        when = "in a cycle unknown" if self.cycle is None else f"in cycle {self.cycle}"
        text = (f"layer {self.layer}: {self.kind} of neuron (channel {self.channel}, y {self.y}, "
                f"x {self.x}){step}: expected {self.expected}, got {self.got}; written to word "
                f"{self.word} {when}; {self.wrong} of {self.values} values are wrong")
        return text + (f"; waves in {self.waves}" if self.waves else "")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Output:
    """One output of a step: what should be there, what is, and where its slots are.

    ``expected`` and ``got`` are [T, N, H, W]; ``slots`` gives the first word of each slot,
    int64[N, H, W, k], ``words`` the words of a slot.
    """

    kind: str
    timed: bool
    expected: np.ndarray
    got: np.ndarray
    slots: np.ndarray
    words: int


def golden_steps(network: IntegerNetwork, trace: Trace, images: np.ndarray,
                 image: int) -> dict[str, StepTrace]:
    """Return what each step must leave in memory for one image of a golden trace.

    Parameters
    ----------
    images : ndarray[B, C, H, W] or ndarray[B, H, W]
        uint8, those of the trace; ndarray[B, T, C, H, W] of spikes.
    image : int
        Which of them.
    """
    if network.input_bits:
        pixels = images[image].reshape(network.input_shape).astype(np.int64)
    else:
        pixels = images[image].astype(bool)
    steps = {IMAGE: StepTrace(map=pixels)}
    for layer in network.layers:
        found, stored, residual = trace[layer.name], None, None
        if found.maps is not None:
            maps = found.maps[:, image]
            stored = (maps[0] if layer.output == "integers" else maps).numpy()
        if layer.keep_residual:
            currents = found.currents.view(network.timesteps, len(images), *layer.maps, -1)
            residual = currents[:, image].permute(0, 3, 1, 2).numpy()
        logits = trace.logits[image].numpy() if layer.output == "readout" else None
        steps[layer.name] = StepTrace(map=stored, residual=residual, logits=logits)
    return steps


def differs(program: Program, golden: dict[str, StepTrace],
            traced: dict[str, StepTrace]) -> list[str]:
    """Return the names of the steps that differ, in order."""
    return [step.name for step in program.manifest.steps
            if any((output.expected != output.got).any()
                   for output in _outputs(program, step, golden[step.name], traced[step.name], 0))]


def first_divergence(program: Program, golden: dict[str, StepTrace],
                     traced: dict[str, StepTrace], writes: Writes | None = None,
                     image: int = 0) -> Divergence | None:
    """Return the first difference: that of the first layer, there the one written first.

    Parameters
    ----------
    golden : dict
        As of `golden_steps`.
    traced : dict
        As of `gen.session.session.Session.trace`.
    writes : tuple of ndarray or None
        Log of the words written while the image ran.
    image : int
        Index of the image in its start.
    """
    cycles = np.full(program.manifest.memory_words, -1, np.int64)
    if writes:
        inside = writes[1] < len(cycles)
        cycles[writes[1][inside]] = writes[0][inside]  # of a word written twice the last one
    for step in program.manifest.steps:
        outputs = _outputs(program, step, golden[step.name], traced[step.name], image)
        found = [item for output in outputs for item in [_first(step.name, output, cycles)] if item]
        if found:
            return min(found, key=lambda item: _NEVER if item.cycle is None else item.cycle)
    return None


def _first(layer: str, output: _Output, cycles: np.ndarray) -> Divergence | None:
    """Return the wrong value of an output that was written first."""
    wrong = output.expected != output.got
    neurons = np.argwhere(wrong.any(0))
    if not len(neurons):
        return None
    slots = output.slots[tuple(neurons.T)]
    written = np.full(len(neurons), -1, np.int64)
    for word in range(output.words):
        at = np.minimum(slots + word, len(cycles) - 1)
        written = np.maximum(written, cycles[at].max(1))
    best = int(np.argmin(np.where(written < 0, _NEVER, written)))
    place = tuple(int(index) for index in neurons[best])
    step = int(np.argmax(wrong[(slice(None), *place)]))
    return Divergence(
        layer=layer, kind=output.kind, channel=place[0], y=place[1], x=place[2],
        timestep=step if output.timed else None, expected=int(output.expected[(step, *place)]),
        got=int(output.got[(step, *place)]), wrong=int(wrong.sum()), values=wrong.size,
        word=int(slots[best, 0]), cycle=int(written[best]) if written[best] >= 0 else None)


def _outputs(program: Program, step: Step, golden: StepTrace, traced: StepTrace,
             image: int) -> list[_Output]:
    """Return the outputs of a step, in the order in which they are computed."""
    outputs = []
    if step.residual and golden.residual is not None and traced.residual is not None:
        height, width = traced.residual.shape[2:]  # what no window covers is not computed
        outputs.append(_Output(
            kind="residual", timed=True, expected=golden.residual[..., :height, :width],
            got=traced.residual, slots=_residual_slots(program, step.residual), words=max(
                1, step.residual.slot_bits // program.config.memory_bits)))
    if step.map and golden.map is not None and traced.map is not None:
        timed = golden.map.ndim == 4
        outputs.append(_Output(
            kind="spike" if timed else "integer", timed=timed,
            expected=golden.map if timed else golden.map[None],
            got=traced.map if timed else traced.map[None],
            slots=_map_slots(step.map, program.config.chunk), words=step.map.chunk_pitch
            if step.map.chunks > 1 else step.map.pixel_pitch))
    if golden.logits is not None and traced.logits is not None:
        manifest = program.manifest
        first = manifest.result_address + image * manifest.result_words
        slots = first + np.arange(manifest.classes) * 4 // program.word_bytes
        outputs.append(_Output(
            kind="logit", timed=False, expected=golden.logits[None, :, None, None],
            got=traced.logits[None, :, None, None], slots=slots[:, None, None, None], words=1))
    return outputs


def _map_slots(stored: SpikeMap, chunk: int) -> np.ndarray:
    """Return the slots of each value, of all lane passes."""
    channel, y, x, lane_pass = np.meshgrid(
        np.arange(stored.channels), np.arange(stored.height), np.arange(stored.width),
        np.arange(stored.passes), indexing="ij")
    return (stored.address + lane_pass * stored.pass_pitch + y * stored.row_pitch
            + x * stored.pixel_pitch + channel // chunk * stored.chunk_pitch)


def _residual_slots(program: Program, residual: Residual) -> np.ndarray:
    """Return the slot of each neuron's residuals."""
    index = _neuron_index(residual.order)
    return (residual.address
            + index * residual.slot_bits // program.config.memory_bits)[..., None]


def _neuron_index(order: TileOrder) -> np.ndarray:
    """Return int64[N, H, W]: which neuron is computed when."""
    index = np.zeros((order.columns, order.height * order.pool, order.width * order.pool),
                     np.int64)
    first, tiles = 0, order.positions()
    for block in range(0, order.columns, order.block_columns):
        columns = np.arange(block, min(block + order.block_columns, order.columns))
        for positions in tiles:
            y, x = positions.T
            count = len(columns) * len(positions)
            index[columns[:, None], y, x] = first + np.arange(count).reshape(len(columns), -1)
            first += count
    return index
