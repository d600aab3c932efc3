# SPDX-License-Identifier: Apache-2.0
"""From an integer vision transformer to what its core is loaded with."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...models.golden.conductance import Image, make_images
from ...models.golden.vit_layers import VitAttention, VitLinear, VitNorm
from ...models.golden.vit_network import VitNetwork
from ...rtl.config import VitCoreConfig
from ...rtl.vit.instructions import Opcode

__all__ = ["Program", "ProgramError", "compile_vit"]

Fields = dict[str, int]


class ProgramError(ValueError):
    """A network that the core cannot run; names what is too large, value and limit."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a core is loaded with.

    Parameters
    ----------
    instructions : list of dict
        Fields by name; those that are 0 are left out.
    parts : list of str
        What each instruction belongs to: number and control word of an encoder, such as ``1R``,
        or ``embed`` or ``head``.
    parameters : list of int
        Unsigned 32-bit words.
    values : dict of int to list of int
        By their address.
    tables : list of list of int
        Of GELU; results by the value's two's complement.
    images : list of Image
        One for each macro.
    rows : int
        Of these, one below the other, that hold weights.
    input : int
        Address of the tokens that come in, one behind the other.
    """

    instructions: list[Fields] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    parameters: list[int] = field(default_factory=list)
    values: dict[int, list[int]] = field(default_factory=dict)
    tables: list[list[int]] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    rows: int = 0
    input: int = 0


def compile_vit(network: VitNetwork, config: VitCoreConfig) -> Program:
    """Return the program of a network.

    Raises
    ------
    ProgramError
        It does not fit the core.
    """
    return _Compiler(network, config).program()


class _Compiler:
    """Places values, parameters and weights, and writes instructions."""

    def __init__(self, network: VitNetwork, config: VitCoreConfig):
        self.network, self.config, self.shape = network, config, network.shape
        self.instructions: list[Fields] = []
        self.parameters: list[int] = []
        self.tables: list[list[int]] = []
        self.weights = torch.zeros(config.crossbar.inputs, config.crossbar.outputs,
                                   dtype=torch.int64)
        self.parts: list[str] = []
        self.part = ""
        self.rows = self.values = 0

    def program(self) -> Program:
        """Return the program; hidden values and keys, values take turns in one region."""
        shape, network = self.shape, self.network
        size = shape.tokens * shape.channels
        position, tokens, reused, normal = (self._region(size) for _ in range(4))
        one = self._region(shape.pool == "mean")
        shared = self._region(max(
            shape.tokens * shape.features, shape.tokens * shape.hidden,
            3 * size + shape.tokens ** 2 if "A" in shape.pattern else size))
        self.part = "embed"
        self._linear(network.embed, shared, tokens, shape.tokens)
        self._add(position, tokens, 0)
        for index, encoder in enumerate(network.encoders):
            self.part = f"{index}{encoder.kind}"
            added = reused
            if encoder.attention:
                self._norm(encoder.attention.norm, tokens, normal, shape.tokens)
                self._attend(encoder.attention, normal, shared)
                self._linear(encoder.attention.projection, normal, reused, shape.tokens)
            if encoder.transform:
                self._norm(encoder.transform.norm, reused, normal, shape.tokens)
                self._linear(encoder.transform.linear, normal, shared, shape.tokens)
                added = shared
            if encoder.kind != "S":
                self._add(added, tokens, encoder.add_shift, relu=encoder.kind == "R")
            self._norm(encoder.mlp.norm, tokens, normal, shape.tokens)
            self._linear(encoder.mlp.expand, normal, shared, shape.tokens)
            self._gelu(encoder.mlp.table.tolist(), shared, shape.tokens * shape.hidden)
            self._linear(encoder.mlp.contract, shared, normal, shape.tokens)
            self._add(normal, tokens, 0)
        self.part = "head"
        last, ones = tokens + size - shape.channels, {}
        if shape.pool == "mean":
            last, ones = shared, {one: [1]}
            self._mean(one, tokens, last)
        self._norm(network.norm, last, normal, 1)
        self._linear(network.head, normal, 0, 1, emit=True)
        self._write(op=Opcode.END)
        self._check()
        return Program(
            instructions=self.instructions, parts=self.parts, parameters=self.parameters,
            tables=self.tables, rows=self.rows, input=shared,
            values={position: network.position.flatten().tolist()} | ones,
            images=make_images(self.weights, self.config.crossbar))

    def _region(self, count: int) -> int:
        start, self.values = self.values, self.values + count
        return start

    def _write(self, **fields: int) -> None:
        self.parts.append(self.part)
        self.instructions.append({name: int(value) for name, value in fields.items()
                                  if name == "op" or value})

    def _place(self, words: Tensor) -> int:
        start = len(self.parameters)
        self.parameters += [int(word) & 0xFFFFFFFF for word in words]
        return start

    def _norm(self, norm: VitNorm, source: int, target: int, rows: int) -> None:
        width = self.shape.channels
        self._write(op=Opcode.NORM, rows=rows, columns=width, length=width, a=source, a_row=width,
                    a_step=1, target=target, t_row=width, t_column=1, shift=norm.shift,
                    parameter=self._place((norm.beta << 8) + (norm.gamma & 0xFF)))

    def _linear(self, linear: VitLinear, source: int, target: int, rows: int, *,
                emit: bool = False) -> None:
        """Place the weights below those before, as many outputs side by side as a macro has."""
        inputs, outputs = linear.weight.shape
        digit, code = 3, (1 << self.config.adc_bits) - 1
        if inputs * digit > code:
            raise ProgramError(f"inputs of a layer must be at most {code // digit} for "
                               f"{self.config.adc_bits}-bit ADCs, not {inputs}")
        start, width = self._place(linear.bias), self.config.crossbar.outputs
        for first in range(0, outputs, width):
            block = linear.weight[:, first:first + width]
            if self.rows + inputs > len(self.weights):
                raise ProgramError(f"rows of weights must be at most {len(self.weights)}, "
                                   f"not {self.rows + inputs} and more")
            self.weights[self.rows:self.rows + inputs, :block.shape[1]] = block
            self._write(op=Opcode.LINEAR, rows=rows, columns=block.shape[1], length=inputs,
                        a=source, a_row=inputs, a_step=1, target=target + first, t_row=outputs,
                        t_column=1, parameter=start + first, shift=0 if emit else linear.shift,
                        skip=self.rows // self.config.beat_values, wide=linear.bits == 16,
                        emit=emit)
            beats = -(-inputs // self.config.beat_values)
            self.rows += beats * self.config.beat_values

    def _attend(self, attention: VitAttention, normal: int, shared: int) -> None:
        """Put the mixed values where the normal ones were."""
        tokens, channels = self.shape.tokens, self.shape.channels
        *regions, weights = (shared + number * tokens * channels for number in range(4))
        for part, region in zip(("query", "key", "value"), regions, strict=True):
            self._linear(getattr(attention, part), normal, region, tokens)
        query, key, value = regions
        width = self.shape.head_channels
        for start in range(0, channels, width):
            self._write(op=Opcode.MULTIPLY, rows=tokens, columns=tokens, length=width,
                        a=query + start, a_row=channels, a_step=1, b=key + start,
                        b_column=channels, b_step=1, target=weights, t_row=tokens, t_column=1,
                        shift=attention.scale_shift, gain=attention.gain, softmax=1)
            self._write(op=Opcode.MULTIPLY, rows=tokens, columns=width, length=tokens, a=weights,
                        a_row=tokens, a_step=1, b=value + start, b_column=1, b_step=channels,
                        target=normal + start, t_row=channels, t_column=1,
                        shift=attention.mix_shift)

    def _mean(self, one: int, source: int, target: int) -> None:
        """Multiply each channel of all tokens with ones."""
        tokens, channels = self.shape.tokens, self.shape.channels
        self._write(op=Opcode.MULTIPLY, rows=1, columns=channels, length=tokens, a=one, b=source,
                    b_column=1, b_step=channels, target=target, t_row=channels, t_column=1,
                    shift=self.shape.mean_shift, wide=1)

    def _add(self, source: int, target: int, shift: int, *, relu: bool = False) -> None:
        count = self.shape.tokens * self.shape.channels
        self._write(op=Opcode.ADD, rows=1, columns=count, length=count, a=source, a_step=1,
                    b=target, b_step=1, target=target, t_column=1, shift=shift, relu=relu)

    def _gelu(self, table: list[int], place: int, count: int) -> None:
        if table not in self.tables:
            self.tables.append(table)
        self._write(op=Opcode.GELU, rows=1, columns=count, length=count, a=place, a_step=1,
                    target=place, t_column=1, parameter=self.tables.index(table))

    def _check(self) -> None:
        golden = VitCoreConfig()
        for name in ("norm_fraction_bits", "reciprocal_bits", "index_bits", "power_bits",
                     "probability_bits"):
            if getattr(self.config, name) != getattr(golden, name):
                raise ProgramError(f"{name} must be {getattr(golden, name)} for networks, "
                                   f"not {getattr(self.config, name)}")
        for name, found, most in (
                ("tokens", self.shape.tokens, self.config.max_tokens),
                ("channels", self.shape.channels, self.config.max_channels),
                ("values", self.values, self.config.values),
                ("parameters", len(self.parameters), self.config.parameters),
                ("instructions", len(self.instructions), self.config.instructions),
                ("gelu_tables", len(self.tables), self.config.gelu_tables)):
            if found > most:
                raise ProgramError(f"{name} must be at most {most}, not {found}")
