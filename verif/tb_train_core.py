# SPDX-License-Identifier: Apache-2.0
"""Bench of the training core: random trainings and corners, against the golden step."""

from collections.abc import Sequence
from typing import Any

import cocotb
import torch
from torch import Tensor

from ..models.golden.tt_readout import Trainer, train_step
from ..models.golden.tt_training import backward, forward, update
from ..rtl.train.layouts import Phase
from ..rtl.train.settings import ErrorCode, Setting
from ..rtl.train.train_core import COUNTERS, Kind, Target
from .bench import Bench
from .train_host import Fields, TrainHost, unpack
from .train_traffic import (
    CORNERS,
    MODES,
    Sizes,
    random_error,
    random_images,
    random_trainer,
)

__all__ = ["counts_what_happens", "covers_corner", "matches_golden", "refuses",
           "restarts_after_reset", "takes_errors_from_outside"]

_PATIENCE = 200_000  # cycles of the longest phase


class _Core(Bench):
    """The core, its host, and what it has given."""

    def connect(self, gaps: float = 0.0, stalls: float = 0.0) -> "_Core":
        """Drive the streams."""
        self.host = TrainHost(self.config)
        self.instructions = self.source("i", gaps, burst=3)
        self.words = self.sink("o", stalls, burst=3)
        return self

    async def do(self, instructions: Sequence[Fields]) -> list[int]:
        """Send instructions; return what they read."""
        first = len(self.words.cycles)
        reads = sum(one["kind"] == Kind.READ.value for one in instructions)
        await self.instructions.send(instructions, timeout=_PATIENCE)
        return (await self.words.take(first + reads, timeout=_PATIENCE))[first:]

    async def begin(self, mode: str, sizes: Sizes, rate: int, readout: bool = True) -> Trainer:
        """Set up a training."""
        trainer, self.size = random_trainer(self.rng, self.config, mode, sizes)
        self.rate = rate
        await self.do([*self.host.settings(trainer, self.size, rate, readout),
                       *self.host.state(trainer), self.host.run(Phase.CLEAR)])
        return trainer

    async def check_map(self, what: str, target: Target, bits: int, wanted: Tensor) -> None:
        """Read a map and compare it."""
        words = await self.do(self.host.read_map(target, wanted))
        found = self.host.map(words, bits, wanted)
        assert torch.equal(found, wanted.long()), (
            f"{what} must be {wanted.long().tolist()}, not {found.tolist()}")

    async def check_state(self, trainer: Trainer) -> None:
        """Read all that training changes, and compare it."""
        problems = self.host.differences(
            trainer, await self.do(self.host.read_state(trainer)))
        assert not problems, problems[0]

    async def step(self, trainer: Trainer, batch: int) -> Trainer:
        """Run a training step; compare all that can be read."""
        host = self.host
        x, labels = random_images(self.rng, trainer, self.size, batch)
        step = train_step(trainer, x, labels, self.rate)
        for image, label in enumerate(labels.tolist()):
            await self.do([*host.spikes(x[:, image]), host.run(Phase.FORWARD)])
            await self.check_map("spikes", Target.SPIKES, 1, step.seen.spikes[:, image])
            logits = step.error.logits[image].tolist()
            found = await self.do([host.run(Phase.READOUT, label),
                                   *(host.read(Target.LOGIT, k) for k in range(len(logits)))])
            found = [unpack(word, 32, 1)[0] for word in found]
            assert found == logits, f"logits must be {logits}, not {found}"
            await self.do([host.run(Phase.BACK)])
            await self.check_map("dx", Target.ERRORS, 8, step.gradients.errors["dx"][:, image])
        await self.do([host.run(Phase.UPDATE)])
        await self.check_state(step.trainer)
        assert not int(self.dut.error.value)
        return step.trainer


async def _start(dut: Any, gaps: float = 0.0, stalls: float = 0.0) -> Any:
    core: Any = await _Core.start(dut)
    return core.connect(gaps, stalls)


@cocotb.test()
@cocotb.parametrize(number=[0, 1, 2], pauses=[0.0, 0.4])
async def matches_golden(dut: Any, number: int, pauses: float) -> None:
    """Two steps of some images, in each mode, are the golden ones."""
    core = await _start(dut, pauses, pauses)
    modes = MODES[core.config.single_array]
    sizes = Sizes(rank=3, inputs=5, outputs=6, timesteps=3, classes=3, height=4,
                  width=6) if number < 2 else Sizes(height=2, width=6, rank=2, outputs=5)
    trainer = await core.begin(modes[number % len(modes)], sizes, 32 + 60 * number)
    for _ in range(2):
        trainer = await core.step(trainer, 2)


@cocotb.test()
@cocotb.parametrize(corner=[cocotb.Param(name, name=name) for name in CORNERS])
async def covers_corner(dut: Any, corner: str) -> None:
    """A step at the limits of each size and shift, in each mode."""
    core = await _start(dut)
    sizes = CORNERS[corner]
    for mode in MODES[core.config.single_array]:
        trainer = await core.begin(mode, sizes, 255)
        await core.step(trainer, sizes.batch)


@cocotb.test()
async def takes_errors_from_outside(dut: Any) -> None:
    """Errors of the spikes that differ from timestep to timestep; the readout stays as it is."""
    core = await _start(dut)
    host = core.host
    for mode in MODES[core.config.single_array]:
        trainer = await core.begin(mode, Sizes(rank=3, height=3, width=2, pool=1), 16, False)
        x, _ = random_images(core.rng, trainer, core.size, 1)
        seen = forward(trainer.layer, trainer.state, x)
        error = random_error(core.rng, seen.y)
        gradients = backward(trainer.layer, trainer.state, seen, error)
        await core.do([*host.spikes(x[:, 0]), *host.errors(error[:, 0]), host.run(Phase.FORWARD),
                       host.run(Phase.BACK)])
        await core.check_map("dx", Target.ERRORS, 8, gradients.errors["dx"][:, 0])
        await core.do([host.run(Phase.UPDATE)])
        state = update(trainer.state, gradients, 16)
        await core.check_state(Trainer(
            layer=trainer.layer, state=state, readout=trainer.readout, pool=1,
            shift_logits=trainer.shift_logits, shift_error=trainer.shift_error,
            shift_readout=trainer.shift_readout))


@cocotb.test()
async def counts_what_happens(dut: Any) -> None:
    """Accumulates, multiplies and skipped operands are as many as the operands say."""
    core = await _start(dut)
    host = core.host
    trainer = await core.begin("stt", Sizes(rank=3, inputs=5, outputs=6, height=2, width=4), 16)
    x, labels = random_images(core.rng, trainer, core.size, 1)
    step = train_step(trainer, x, labels, 16)
    await core.do([*host.spikes(x[:, 0]), host.write(Target.COUNTER, 0), host.run(Phase.FORWARD)])
    words = await core.do(host.counters())
    counted = dict(zip(COUNTERS, words, strict=True))
    layer, seen = trainer.layer, step.seen
    pixels, used = x[:, :, 0].numel(), int((seen.m != 0).sum()) * layer.outputs
    for values, axis in ((seen.h, 3), (seen.b, 4)):
        nonzero = (values != 0).long()
        size = nonzero.shape[axis]
        for offset in (-1, 0, 1):  # what each tap reads inside the image
            used += layer.rank * int(nonzero.narrow(
                axis, max(offset, 0), size - abs(offset)).sum())
    taps = sum(3 * size - 2 for size in (core.size[0],)) * core.size[1] + sum(
        3 * size - 2 for size in (core.size[1],)) * core.size[0]
    every = pixels * layer.rank * (layer.inputs + layer.outputs)
    every += taps * layer.timesteps * layer.rank * layer.rank
    assert counted["accumulates"] == int(x.sum()) * layer.rank
    assert counted["multiplies"] == used, f"must be {used}, not {counted['multiplies']}"
    assert counted["accumulates"] + counted["multiplies"] + counted["skipped"] == every
    assert counted["forward_cycles"] and not counted["back_cycles"]
    again = await core.do(host.counters())
    assert again == [0] * len(COUNTERS), "counters must be cleared"


_WRONG = [
    (Setting.INPUTS, 0, "INPUTS"), (Setting.INPUTS, "max_inputs", "INPUTS"),
    (Setting.OUTPUTS, 0, "OUTPUTS"), (Setting.OUTPUTS, "max_outputs", "OUTPUTS"),
    (Setting.RANK, 0, "RANK"), (Setting.RANK, "max_rank", "RANK"),
    (Setting.TIMESTEPS, 0, "TIMESTEPS"), (Setting.TIMESTEPS, "max_timesteps", "TIMESTEPS"),
    (Setting.HEIGHT, 0, "SIZE"), (Setting.WIDTH, 0, "SIZE"), (Setting.WIDTH, 40000, "SIZE"),
    (Setting.HEIGHT, "max_pixels", "SIZE"), (Setting.MODE, 4, "MODE"),
    (Setting.FULL_STEPS, 1, "FULL_STEPS"), (Setting.SHIFT_H, 16, "SHIFT"),
    (Setting.SHIFT_B, 16, "SHIFT"), (Setting.SHIFT_M, 16, "SHIFT"),
    (Setting.SHIFT_Y, 16, "SHIFT"), (Setting.SHIFT_LOGITS, 32, "SHIFT"),
    (Setting.THRESHOLD, 0, "THRESHOLD"), (Setting.THRESHOLD, 16384, "THRESHOLD"),
    (Setting.RATE, 0, "RATE"), (Setting.RATE, 256, "RATE"), (Setting.POOL, 4, "POOL"),
    (Setting.POOL, 2, "POOL"), (Setting.CLASSES, 0, "CLASSES"),
    (Setting.CLASSES, "max_classes", "CLASSES"),
]


@cocotb.test()
async def refuses(dut: Any) -> None:
    """What cannot be done sets an error and runs nothing; reads still answer."""
    core = await _start(dut)
    host = core.host
    cases = [([host.write(Target.SETTING, setting.value, getattr(core.config, value) + 1
                          if isinstance(value, str) else value)], Phase.FORWARD, 0, code)
             for setting, value, code in _WRONG]
    if core.config.single_array:
        cases.append(([host.write(Target.SETTING, Setting.MODE.value, 1)], Phase.FORWARD, 0,
                      "MODE"))
    else:
        cases.append(([host.write(Target.SETTING, Setting.MODE.value, 3)], Phase.FORWARD, 0,
                      "MODE"))
        cases.append(([host.write(Target.SETTING, Setting.MODE.value, 2)], Phase.FORWARD, 0,
                      "FULL_STEPS"))
    cases += [([], Phase.READOUT, 2, "LABEL"),
              ([host.write(Target.SETTING, Setting.READOUT.value, 0)], Phase.READOUT, 0,
               "LABEL"),
              ([host.write(Target.SHIFT, 0, 32)], Phase.FORWARD, 0, "SHIFT"),
              ([host.write(7, 0)], Phase.FORWARD, 0, "INSTRUCTION"),
              ([host.write(15, 0)], Phase.FORWARD, 0, "INSTRUCTION")]
    for writes, phase, label, code in cases:
        await core.reset()
        await core.begin("stt", Sizes(classes=2, height=2, width=2), 16)
        await core.do([host.write(Target.COUNTER, 0), *writes, host.run(phase, label)])
        await core.edge(2)
        found = ErrorCode(int(dut.error.value)).name
        assert found == code, f"error must be {code}, not {found}"
        status, forward_, readout = await core.do(
            [host.read(Target.STATUS, 0), host.read(Target.COUNTER, 0),
             host.read(Target.COUNTER, 1)])
        assert (status, forward_, readout) == (ErrorCode[code].value, 0, 0)
    await core.reset()
    await core.edge(2)
    assert not int(dut.error.value), "reset must clear the error"


@cocotb.test()
async def restarts_after_reset(dut: Any) -> None:
    """A reset in mid-phase drops it; a training begun anew is exact."""
    core = await _start(dut)
    host = core.host
    sizes = Sizes(rank=2, height=4, width=4)
    trainer = await core.begin("stt", sizes, 16)
    x, _ = random_images(core.rng, trainer, core.size, 1)
    for phase, wait in ((Phase.FORWARD, 150), (Phase.BACK, 200), (Phase.UPDATE, 9),
                        (Phase.READOUT, 30)):
        await core.do(host.spikes(x[:, 0]))
        core.instructions.put([host.run(phase)])
        await core.edge(wait)
        assert int(dut.busy.value), f"{phase.name} must be at work"
        await core.reset()
        await core.edge()
        assert not int(dut.busy.value), "reset must stop the core"
        await core.do([host.read(Target.STATUS, 0)])  # the phase is offered again: none is set
        assert int(dut.error.value) == ErrorCode.INPUTS.value
        await core.reset()
        trainer = await core.begin("stt", sizes, 16)
    await core.step(await core.begin(MODES[core.config.single_array][0], sizes, 16), 1)
