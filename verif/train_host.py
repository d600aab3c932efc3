# SPDX-License-Identifier: Apache-2.0
"""A host of the training core: instructions of a training, and what comes back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..models.golden.tt_readout import Trainer
from ..rtl.config import TrainConfig
from ..rtl.train.cores import cluster_cores, core_bases, core_shape
from ..rtl.train.layouts import SHIFTS, Core, Mode, Phase
from ..rtl.train.settings import Setting
from ..rtl.train.train_core import COUNTERS, FIRST_STORE, Kind, Target, instruction_layout
from .free_run import LOG, free_design, free_run
from .payload import width

__all__ = ["Fields", "TrainHost", "TrainRun", "pack", "run_instructions", "unpack"]

Fields = dict[str, int]  # of an instruction
_NAMES = {"g1": Core.G1, "g2": Core.G2, "g3": Core.G3, "g4": Core.G4, "w": Core.DENSE}


class TrainHost:
    """Translates between the golden model and the core.

    Parameters
    ----------
    config : TrainConfig
    """

    def __init__(self, config: TrainConfig):
        self.config = config
        self._clusters = cluster_cores(config)

    def write(self, target: Target | int, address: int, word: int = 0) -> Fields:
        """Return an instruction that writes."""
        return {"kind": Kind.WRITE.value, "target": _number(target), "address": address,
                "word": word & ((1 << self.config.data_bits) - 1)}

    def read(self, target: Target | int, address: int) -> Fields:
        """Return an instruction that reads."""
        return {"kind": Kind.READ.value, "target": _number(target), "address": address, "word": 0}

    def run(self, phase: Phase, label: int = 0) -> Fields:
        """Return an instruction that runs a phase."""
        return {"kind": Kind.RUN.value, "target": 0, "address": phase.value, "word": label}

    def settings(self, trainer: Trainer, size: tuple[int, int], rate: int,
                 readout: bool = True) -> list[Fields]:
        """Return what sets up a training with images of some height and width."""
        layer = trainer.layer
        words = {
            Setting.INPUTS: layer.inputs, Setting.OUTPUTS: layer.outputs,
            Setting.RANK: layer.rank if layer.mode != "dense" else 1,
            Setting.TIMESTEPS: layer.timesteps, Setting.HEIGHT: size[0], Setting.WIDTH: size[1],
            Setting.MODE: Mode[layer.mode.upper()].value, Setting.FULL_STEPS: layer.full_steps,
            Setting.SHIFT_H: layer.shift_h, Setting.SHIFT_B: layer.shift_b,
            Setting.SHIFT_M: layer.shift_m, Setting.SHIFT_Y: layer.shift_y,
            Setting.THRESHOLD: layer.threshold, Setting.RATE: rate,
            Setting.READOUT: int(readout), Setting.POOL: trainer.pool.bit_length() - 1,
            Setting.CLASSES: len(trainer.readout), Setting.SHIFT_LOGITS: trainer.shift_logits,
        }
        return [self.write(Target.SETTING, setting.value, word)
                for setting, word in words.items()]

    def rate(self, rate: int) -> Fields:
        """Return what sets the learning rate."""
        return self.write(Target.SETTING, Setting.RATE.value, rate)

    def state(self, trainer: Trainer) -> list[Fields]:
        """Return what loads all weights and delayed shifts."""
        shifts = _shifts(trainer)
        return [
            *(self.write(Target.SHIFT, index, shifts[name]) for index, name in enumerate(SHIFTS)),
            *(self.write(target, address, pack(row, 16))
              for name, masters in _masters(trainer).items()
              for target, address, row in self._rows(name, masters))]

    def read_state(self, trainer: Trainer) -> list[Fields]:
        """Return what reads all weights and delayed shifts back."""
        return [
            *(self.read(Target.SHIFT, index) for index in range(len(SHIFTS))),
            *(self.read(target, address) for name, masters in _masters(trainer).items()
              for target, address, _ in self._rows(name, masters))]

    def differences(self, trainer: Trainer, words: Sequence[int]) -> list[str]:
        """Return where the words that `read_state` led to are not those of the golden trainer."""
        shifts, found = _shifts(trainer), []
        for index, name in enumerate(SHIFTS):
            if words[index] != shifts[name]:
                found.append(f"shift of {name} must be {shifts[name]}, not {words[index]}")
        place = len(SHIFTS)
        for name, masters in _masters(trainer).items():
            for _, address, row in self._rows(name, masters):
                mine = unpack(words[place], 16, self.config.lanes)[:len(row)]
                if mine != row:
                    found.append(f"masters of {name} at {address} must be {row}, not {mine}")
                place += 1
        return found

    def spikes(self, x: Tensor) -> list[Fields]:
        """Return what loads the spikes of an image, Tensor[T, I, H, W]."""
        return [self.write(Target.SPIKES, address, pack(row, 1)) for address, row in
                self._groups(x)]

    def errors(self, error: Tensor) -> list[Fields]:
        """Return what loads the error of an image's spikes, Tensor[T, O, H, W]."""
        return [self.write(Target.ERRORS, address, pack(row, 8)) for address, row in
                self._groups(error)]

    def read_map(self, target: Target, like: Tensor) -> list[Fields]:
        """Return what reads a map, Tensor[T, channels, H, W]."""
        return [self.read(target, address) for address, _ in self._groups(like)]

    def map(self, words: Sequence[int], bits: int, like: Tensor) -> Tensor:
        """Return the map that was read, of the shape of ``like``."""
        steps, channels, height, width_ = like.shape
        rows = torch.tensor([unpack(word, bits, self.config.lanes) for word in words])
        rows = rows.view(height * width_, steps, -1)[..., :channels]
        return rows.permute(1, 2, 0).reshape(like.shape)

    def counters(self) -> list[Fields]:
        """Return what reads all counters, and sets them to zero."""
        return [*(self.read(Target.COUNTER, index) for index in range(len(COUNTERS))),
                self.write(Target.COUNTER, 0)]

    def packed(self, instruction: Fields) -> int:
        """Return an instruction as the core takes it."""
        layout = instruction_layout(self.config)
        return sum(value << layout[name].offset for name, value in instruction.items())

    def _groups(self, values: Tensor) -> Iterable[tuple[int, list[int]]]:
        """Yield address and channels of each group: pixels, then timesteps, then groups."""
        rows = values.flatten(2).permute(2, 0, 1).long().tolist()
        lanes = self.config.lanes
        for pixel, steps in enumerate(rows):
            for step, channels in enumerate(steps):
                for group in range(-(-len(channels) // lanes)):
                    yield (group | step << 5 | pixel << 9,
                           channels[group * lanes:(group + 1) * lanes])

    def _rows(self, name: str, masters: Tensor) -> Iterable[tuple[int, int, list[int]]]:
        """Yield target, address and the weights of a word; masters are [outputs, inputs, taps]."""
        lanes = self.config.lanes
        if name == "readout":  # lanes are features, inputs are classes, taps are windows
            store, base = len(self._clusters), 0
            inputs, groups = self.config.max_classes, self.config.output_groups
        else:
            core = _NAMES[name]
            store = next(k for k, cores in enumerate(self._clusters) if core in cores)
            base = core_bases(self.config, self._clusters[store])[core]
            inputs, groups, _ = core_shape(self.config, core)
        values = masters.permute(2, 0, 1).tolist()
        for tap, outputs in enumerate(values):
            for group in range(-(-len(outputs) // lanes)):
                for index in range(len(outputs[0])):
                    yield (FIRST_STORE + store, base + index + inputs * (group + groups * tap),
                           [row[index] for row in outputs[group * lanes:(group + 1) * lanes]])


def pack(values: Sequence[int], bits: int) -> int:
    """Return values of some bits in one word, the first in the lowest bits."""
    return sum((value & ((1 << bits) - 1)) << (bits * place)
               for place, value in enumerate(values))


def unpack(word: int, bits: int, count: int) -> list[int]:
    """Return signed values of a word; bits are unsigned."""
    half = 1 << (bits - 1) if bits > 1 else 0
    return [((word >> (bits * place) & ((1 << bits) - 1)) ^ half) - half
            for place in range(count)]


def _number(target: Target | int) -> int:
    return target.value if isinstance(target, Target) else target


def _shifts(trainer: Trainer) -> dict[str, int]:
    return trainer.state.shifts | {"error": trainer.shift_error,
                                   "readout": trainer.shift_readout}


def _masters(trainer: Trainer) -> dict[str, Tensor]:
    """Return all masters as [outputs, inputs, taps]; of the readout features are outputs."""
    masters = {name: value.reshape(*value.shape[:2], -1)
               for name, value in trainer.state.masters.items()}
    classes, outputs = len(trainer.readout), trainer.layer.outputs
    masters["readout"] = trainer.readout.view(classes, outputs, -1).transpose(0, 1)
    return masters


@dataclass(frozen=True, kw_only=True)
class TrainRun:
    """What a run of the core gave.

    Attributes
    ----------
    words : list of int
        That were read.
    cycles : int
        Simulated in all.
    error : int
        What the core shows at its port.
    stuck : bool
        Whether nothing moved any more.
    """

    words: list[int]
    cycles: int
    error: int
    stuck: bool


def run_instructions(config: TrainConfig, instructions: Iterable[Fields], folder: Path, *,
                     gaps: int = 0, stalls: int = 0, verilog: str | None = None) -> TrainRun:
    """Send instructions to the core in its free-running bench; return what was read.

    Parameters
    ----------
    folder : Path
        Where the files go.
    gaps, stalls : int
        Shares, of 256, of cycles without an offer, and without a word taken.
    verilog : str, optional
        In place of the core's own.
    """
    host = TrainHost(config)
    design = free_design("train_core", config, "train_bench", verilog,
                         INSTRUCTION=width(instruction_layout(config)), WORD=config.data_bits)
    result = free_run("train_core", config, design, map(host.packed, instructions), folder,
                      gaps=gaps, stalls=stalls)
    words = [int(line.split()[1], 16) for line in (folder / LOG).read_text().splitlines()]
    return TrainRun(words=words, cycles=result["cycle"], error=result["error"],
                    stuck=bool(result["stuck"]))
