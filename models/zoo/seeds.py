# SPDX-License-Identifier: Apache-2.0
"""Networks trained from several seeds: their files, progress, figures over all seeds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["read_measured", "report_bars", "seed_files", "seed_path", "spread", "write_measured"]

_Measured = TypeVar("_Measured", bound=msgspec.Struct)


def seed_path(name: str, weights: Path, seed: int, folder: Path | None) -> Path:
    """Return where a training writes: NAME-SEED.npz of a folder, or the committed file."""
    return folder / f"{name}-{seed}.npz" if folder else weights


def seed_files(name: str, weights: Path,
               folder: Path | None) -> list[tuple[int | None, Path]]:
    """Return the files of a network in a folder with their seeds, or the committed one."""
    if folder is None:
        return [(None, weights)]
    found = folder.glob(f"{name}-*.npz")
    return sorted((int(path.stem.removeprefix(f"{name}-")), path) for path in found)


def spread(values: Iterable[float | None], factor: float = 100, digits: int = 1) -> str:
    """Return mean over the seeds and half of the range, as text; empty if nothing is known."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    text = f"{factor * (sum(known) / len(known)):.{digits}f}"
    half = factor * ((max(known) - min(known)) / 2)
    return text if len(known) == 1 else f"{text} ±{half:.{digits}f}"


def read_measured(path: Path, kind: type[_Measured]) -> list[_Measured]:
    """Return the measurements of a JSON file."""
    return msgspec.json.decode(path.read_bytes(), type=list[kind])


def write_measured(path: Path, results: Sequence[msgspec.Struct]) -> None:
    """Write measurements to a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))


@contextmanager
def report_bars() -> Iterator[Callable[[str], Callable[[int, int, float], None]]]:
    """Show progress: a function that adds a bar, and returns what a training reports to.

    That takes the step, the number of steps and the loss.
    """
    bars = Progress(TextColumn("{task.description}"), BarColumn(),
                    TextColumn("{task.fields[loss]}"), TimeRemainingColumn())

    def add(text: str) -> Callable[[int, int, float], None]:
        task = bars.add_task(text, loss="")
        return lambda step, steps, loss: bars.update(
            task, completed=step + 1, total=steps, loss=f"loss {loss:.3f}")

    with bars:
        yield add
