# SPDX-License-Identifier: Apache-2.0
"""A training of a real layer on real images: what the core is told, and what is to come back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from ..models.data import digits
from ..models.golden.tt_readout import Step, Trainer
from ..models.zoo import tt_training as zoo
from ..rtl.config import TrainConfig
from ..rtl.train.layouts import Phase
from ..rtl.train.train_core import COUNTERS, Target
from .train_host import Fields, TrainHost, TrainRun, unpack

__all__ = ["TRAINING", "Course", "read_back"]

TRAINING = 1500  # of the 2000 images that are committed; the others are for the test
_SIZE = (8, 8)


@dataclass(kw_only=True)
class Course:
    """A training as the core is told to do it, and what the golden model makes of it.

    Parameters
    ----------
    config : TrainConfig
    mode : str
        Of the cores, or dense.
    layer : str
        One of `models.zoo.tt_training.CONFIGURATIONS`.
    epochs : int
        Of the whole course.

    Attributes
    ----------
    trainers : list of Trainer
        Behind each step.
    logits : list of list of int
        Of each image, in the order of the training.
    labels : list of int
        Of each image.
    """

    config: TrainConfig
    mode: str
    layer: str = "tt_layer"
    epochs: int = 6
    trainers: list[Trainer] = field(default_factory=list)
    logits: list[list[int]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        data = digits.load_test()
        self.host = TrainHost(self.config)
        self.x = zoo.encode(data.images, self.layer)
        self.all_labels = data.labels
        self.first = zoo.untrained(self.layer, self.mode, self.x[:, :64])
        self._steps = self._course()

    def _course(self) -> Iterator[Step]:
        return zoo.fit(self.first, self.x[:, :TRAINING], self.all_labels[:TRAINING],
                       zoo.Course(epochs=self.epochs))

    @property
    def steps(self) -> int:
        """Steps of the whole course."""
        return self.epochs * (TRAINING // zoo.Course.batch)

    def instructions(self, steps: int) -> Iterator[Fields]:
        """Yield what the core is told to do for the next steps, and note what is expected."""
        host, rates, done = self.host, zoo.Course(epochs=self.epochs), len(self.trainers)
        yield from host.settings(self.first, _SIZE, rates.rate_at(done, self.steps))
        yield from host.state(self.trainers[-1] if done else self.first)
        yield host.run(Phase.CLEAR)
        yield host.write(Target.COUNTER, 0)
        for number in range(done, done + steps):
            step = next(self._steps)
            labels = step.labels.tolist()
            yield host.rate(rates.rate_at(number, self.steps))
            for image, label in enumerate(labels):
                yield from host.spikes(step.seen.x[:, image])
                yield host.run(Phase.FORWARD)
                yield host.run(Phase.READOUT, label)
                yield host.run(Phase.BACK)
                yield from (host.read(Target.LOGIT, k)
                            for k in range(step.error.logits.shape[1]))
            yield host.run(Phase.UPDATE)
            yield from host.read_state(step.trainer)
            yield from host.counters()
            self._note(step)

    def advance(self, steps: int) -> None:
        """Let the golden model alone do the next steps."""
        for _ in range(steps):
            self._note(next(self._steps))

    def _note(self, step: Step) -> None:
        self.trainers.append(step.trainer)
        self.logits += step.error.logits.tolist()
        self.labels += step.labels.tolist()

    def accuracy(self, trainer: Trainer) -> float:
        """Return the accuracy on the images that are not trained on."""
        return zoo.accuracy(trainer, self.x[:, TRAINING:], self.all_labels[TRAINING:])

    def finish(self) -> Trainer:
        """Let the golden model go on to the end of the course."""
        trainer = self.trainers[-1]
        for step in self._steps:
            trainer = step.trainer
        return trainer


def read_back(course: Course, run: TrainRun, done: int = 0) -> dict[str, Any]:
    """Return logits, losses and counters of a run behind some steps, and its first mismatch."""
    logits: list[list[int]] = []
    losses, counters, mismatch = [], [], ""
    classes, words = len(course.first.readout), iter(run.words)
    batch = zoo.Course.batch

    def take(count: int) -> list[int]:
        return [next(words, 0) for _ in range(count)]

    for number, trainer in enumerate(course.trainers[done:], done):
        found = [[unpack(word, 32, 1)[0] for word in take(classes)] for _ in range(batch)]
        logits += found
        place = slice(number * batch, (number + 1) * batch)
        state = take(len(course.host.read_state(trainer)))
        problems = [
            *(f"logits must be {want}, not {mine}" for want, mine
              in zip(course.logits[place], found, strict=True) if want != mine),
            *course.host.differences(trainer, state)]
        if problems and not mismatch:
            mismatch = f"step {number}: {problems[0]}"
        losses.append(_loss(found, course.labels[place]))
        counters.append(dict(zip(COUNTERS, take(len(COUNTERS)), strict=True)))
    if not mismatch and (run.stuck or run.error):
        mismatch = f"error {run.error}, {'stuck' if run.stuck else 'ended'}"
    return {"logits": logits, "loss": losses, "counters": counters, "mismatch": mismatch}


def _loss(logits: list[list[int]], labels: list[int]) -> float:
    """Return the cross-entropy; a logit counts in sixteenths, as in the softmax's table."""
    scores = torch.tensor(logits, dtype=torch.float64) / 16
    return float(torch.nn.functional.cross_entropy(scores, torch.tensor(labels)))
