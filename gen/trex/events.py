# SPDX-License-Identifier: Apache-2.0
"""What a vision transformer on crossbar macros does for one input, counted."""

from collections import Counter
from dataclasses import dataclass, field

from ...models.golden.vit_shape import VitShape
from ...rtl.config import CrossbarConfig

__all__ = ["PLANES", "Stage", "Workload", "workload"]

PLANES = 8  # bits of a value: reads of a macro for one token


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Work that nothing else of the same input overlaps.

    Parameters
    ----------
    name : str
    reads : int
        Crossbar reads one after the other: bit planes of all tokens.
    dynamic_macs : int
        Products of values with values.
    written_bytes : int
        Of K and V, while the network runs.
    softmax, vector : int
        Elements.
    """

    name: str
    reads: int = 0
    dynamic_macs: int = 0
    written_bytes: int = 0
    softmax: int = 0
    vector: int = 0


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What one input takes.

    Parameters
    ----------
    stages : list of Stage
        One after the other.
    events : Counter
        How often what costs energy happens.
    macros : int
        Crossbars that hold all static weights.
    attention_encoders : int
        Encoders with attention of their own.
    kv_bytes, buffer_bytes : int
        Of memory: keys and values of one encoder; tokens, and the reuse buffer if there is reuse.
    macs : int
        Static and dynamic ones.
    """

    stages: list[Stage] = field(default_factory=list)
    events: Counter = field(default_factory=Counter)
    macros: int
    attention_encoders: int
    kv_bytes: int
    buffer_bytes: int
    macs: int


class _Counting:
    """Adds up the parts of a network."""

    def __init__(self, shape: VitShape, macro: CrossbarConfig):
        self.shape, self.macro = shape, macro
        self.stages: list[Stage] = []
        self.events: Counter = Counter()
        self.macros = self.macs = 0

    def static(self, name: str, inputs: int, outputs: int, tokens: int) -> None:
        """Count a stage that multiplies tokens with static weights."""
        down = -(-inputs // self.macro.rows)
        across = -(-outputs // self.macro.outputs)
        reads = tokens * PLANES
        self.macros += down * across
        self.macs += tokens * inputs * outputs
        self.events["crossbar_read"] += reads * down * across
        self.events["adc_conversion"] += reads * down * outputs * self.macro.columns_per_output
        self.events["buffer_byte"] += tokens * (inputs + outputs)
        self.stages.append(Stage(name=name, reads=reads))

    def vector(self, name: str, elements: int, event: str) -> None:
        """Count elements of a vector unit."""
        self.events[event] += elements
        self.stages.append(Stage(name=name, vector=elements))

    def attention(self, name: str) -> None:
        """Count the dynamic products of an attention block and what they need."""
        n, channels, heads = self.shape.tokens, self.shape.channels, self.shape.heads
        macs, scores = 2 * n * n * channels, heads * n * n
        self.macs += macs
        self.events["dynamic_mac"] += macs
        self.events["kv_write_byte"] += 2 * n * channels
        self.events["softmax_element"] += scores
        self.stages.append(Stage(name=f"{name} attention", dynamic_macs=macs, softmax=scores,
                                 written_bytes=2 * n * channels))

    def encoder(self, index: int, kind: str, reused: bool) -> None:
        """Count an encoder."""
        n, channels, hidden = self.shape.tokens, self.shape.channels, self.shape.hidden
        name = f"{index}{kind}"
        if kind == "A":
            self.vector(f"{name} norm", n * channels, "norm_element")
            self.static(f"{name} query, key, value", channels, 3 * channels, n)
            self.attention(name)
            self.static(f"{name} projection", channels, channels, n)
            self.events["reuse_byte"] += n * channels * reused
        elif kind == "R":
            self.events["reuse_byte"] += n * channels
            self.vector(f"{name} norm", n * channels, "norm_element")
            self.static(f"{name} transform", channels, channels, n)
        elif kind == "C":
            self.events["reuse_byte"] += n * channels
        self.events["add"] += n * channels * (1 + (kind != "S"))
        self.vector(f"{name} norm", n * channels, "norm_element")
        self.static(f"{name} expand", channels, hidden, n)
        self.vector(f"{name} gelu", n * hidden, "gelu_element")
        self.static(f"{name} contract", hidden, channels, n)


def workload(shape: VitShape, macro: CrossbarConfig) -> Workload:
    """Count what a network does for one input.

    Static layers read each macro once for each bit plane of each token; the macros of one layer
    work at the same time, stages one after the other. Q, K and V are one stage.

    Parameters
    ----------
    shape : VitShape
    macro : CrossbarConfig
        ``tiles`` and ``timesteps`` do not count.
    """
    count = _Counting(shape, macro)
    reuse = any(kind in "RC" for kind in shape.pattern)
    count.static("embed", shape.features, shape.channels, shape.tokens)
    for index, kind in enumerate(shape.pattern):
        count.encoder(index, kind, reuse)
    count.static("head", shape.channels, shape.classes, 1)
    tokens = shape.tokens * shape.channels
    return Workload(
        stages=count.stages, events=count.events, macros=count.macros, macs=count.macs,
        attention_encoders=shape.pattern.count("A"), kv_bytes=2 * tokens,
        buffer_bytes=2 * tokens + shape.tokens * shape.hidden + tokens * reuse)
