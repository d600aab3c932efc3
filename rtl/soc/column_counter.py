# SPDX-License-Identifier: Apache-2.0
"""Count the columns of a layer, block by block."""

from amaranth import Module, Mux, Signal

from ..config import AcceleratorConfig

__all__ = ["count_columns"]


def count_columns(m: Module, layer, step, config: AcceleratorConfig) -> tuple[Signal, Signal]:
    """Add the count of the columns of ``layer``; it starts again after the last one.

    Parameters
    ----------
    layer : data.View
        Made of `descriptor_layout`.
    step : Signal
        High when the present column is over.
    config : AcceleratorConfig

    Returns
    -------
    final : Signal
        The present column is the last one of its weight block.
    end : Signal
        It is the last one of the layer.
    """
    bits = config.bounds.output_bits
    column, place = Signal(bits), Signal(bits)  # in the layer, in the block
    final, end = Signal(), Signal()
    m.d.comb += [
        end.eq(column + 1 == layer.columns),
        final.eq(end | ((place + 1 == layer.block_columns) & (config.block_limit > 1))),
    ]
    with m.If(step):
        m.d.sync += [
            column.eq(Mux(end, 0, column + 1)), place.eq(Mux(final, 0, place + 1)),
        ]
    return final, end
