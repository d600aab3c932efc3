# SPDX-License-Identifier: Apache-2.0
"""Count columns, blocks, words and rounds of the weights of a layer, and check them."""

from typing import Any

from amaranth import Module, Mux, Signal

from .column_counter import count_columns

__all__ = ["count_weights"]


def count_weights(m: Module, unit: Any, column_done, consume) -> tuple[Signal, Signal]:
    """Add the counts and keep ``unit.busy`` up to date; there may be something to come.

    Parameters
    ----------
    unit : wiring.Component
        What takes words of weights apart; has ``config``, ``layer``, ``start``, ``rounds`` and
        ``busy``.
    column_done : Signal
        High when the present column is over.
    consume : Signal
        High when the present word is over.

    Returns
    -------
    final : Signal
        The present column is the last one of its weight block.
    wrong : Signal
        Words or blocks of this round are not as many as the layer says.
    """
    layer = unit.layer
    bounds = unit.config.bounds
    block, words = Signal(range(unit.config.block_limit + 1)), Signal(bounds.address_bits)
    rounds_left = Signal(unit.config.tile_bits)
    wrong, round_end = Signal(), Signal()
    final, end = count_columns(m, layer, column_done, unit.config)
    m.d.comb += [
        round_end.eq(column_done & end),
        wrong.eq(unit.config.has_checks & (
            (consume & ((words + 1 == layer.weight_words) != round_end))
            | (round_end & (block + 1 != layer.blocks)))),
    ]
    with m.If(column_done & final):
        m.d.sync += block.eq(Mux(end, 0, block + 1))
    with m.If(consume):
        m.d.sync += words.eq(Mux(round_end, 0, words + 1))
    with m.If(round_end):
        m.d.sync += [rounds_left.eq(rounds_left - 1), unit.busy.eq(rounds_left != 1)]
    with m.If(unit.start):
        m.d.sync += [rounds_left.eq(unit.rounds), unit.busy.eq(1)]
    return final, wrong
