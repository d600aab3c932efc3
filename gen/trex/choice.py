# SPDX-License-Identifier: Apache-2.0
"""Which encoders reuse attention, so that a delay target is met with the least reuse."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ...models.golden.vit_shape import VitShape
from ...rtl.config import CrossbarConfig
from .costs import Cost, Costs, evaluate

__all__ = ["Choice", "TargetError", "choose", "fewest_reuses", "likeness", "patterns"]


class TargetError(ValueError):
    """A delay that no pattern meets; names the shortest."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A pattern that meets a delay target.

    Parameters
    ----------
    pattern : str
    cost : Cost
    candidates : list of str
        All patterns with as many encoders that reuse, the best first.
    """

    pattern: str
    cost: Cost
    candidates: list[str]


def patterns(encoders: int, reuses: int) -> Iterator[str]:
    """Yield every pattern of A and R with so many R; the first encoder is an A."""
    for places in itertools.combinations(range(1, encoders), reuses):
        yield "".join("R" if index in places else "A" for index in range(encoders))


def fewest_reuses(shape: VitShape, macro: CrossbarConfig, costs: Costs, delay_ns: float) -> int:
    """Return how many encoders must reuse attention at least; the delay tells no places apart.

    Raises
    ------
    TargetError
        Even with one encoder that has attention the network takes longer.
    """
    encoders = len(shape.pattern)
    shortest = 0.0
    for reuses in range(encoders):
        shape = replace(shape, pattern=next(patterns(encoders, reuses)))
        shortest = evaluate(shape, macro, costs).delay
        if shortest <= delay_ns:
            return reuses
    raise TargetError(f"delay must be at least {shortest:.0f} ns, not {delay_ns:.0f}")


def likeness(pattern: str, similar: Sequence[Sequence[float]]) -> float:
    """Return how like the attention of reusing encoders was to what they reuse, on average.

    Parameters
    ----------
    pattern : str
    similar : sequence
        Of the attention outputs of each two encoders, in the network without reuse.
    """
    found, source = [], 0
    for index, kind in enumerate(pattern):
        if kind == "A":
            source = index
        else:
            found.append(float(similar[index][source]))
    return sum(found) / len(found) if found else 1.0


def choose(shape: VitShape, macro: CrossbarConfig, costs: Costs, delay_ns: float,
           accuracy: Mapping[str, float], similar: Sequence[Sequence[float]] | None = None,
           most: int = 64) -> Choice:
    """Choose the pattern with the fewest reuses that meets a delay target.

    Among these, one whose accuracy is known comes before others, the most accurate first; then
    the likeness of reused attention decides, then the order of `patterns`.

    Parameters
    ----------
    shape : VitShape
        Of the network without reuse.
    macro : CrossbarConfig
    costs : Costs
    delay_ns : float
    accuracy : Mapping
        Of patterns that were trained.
    similar : sequence, optional
        See `likeness`.
    most : int
        Patterns that are looked at; for many encoders, the likeness of single encoders chooses
        them.

    Raises
    ------
    TargetError
        No pattern meets the target.
    """
    encoders = len(shape.pattern)
    reuses = fewest_reuses(shape, macro, costs, delay_ns)
    if encoders <= 6 or similar is None:
        found = list(itertools.islice(patterns(encoders, reuses), most))
    else:
        found = [_greedy(encoders, reuses, similar)]
    found.sort(key=lambda pattern: (-accuracy.get(pattern, -1.0),
                                    -likeness(pattern, similar) if similar is not None else 0.0))
    return Choice(pattern=found[0], candidates=found,
                  cost=evaluate(replace(shape, pattern=found[0]), macro, costs))


def _greedy(encoders: int, reuses: int, similar: Sequence[Sequence[float]]) -> str:
    """Return a pattern that is made by turning one A after another into R, the likest first."""
    pattern = "A" * encoders
    for _ in range(reuses):
        options = [pattern[:index] + "R" + pattern[index + 1:]
                   for index in range(1, encoders) if pattern[index] == "A"]
        pattern = max(options, key=lambda option: likeness(option, similar))
    return pattern
