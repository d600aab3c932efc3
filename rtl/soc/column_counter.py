# SPDX-License-Identifier: Apache-2.0
"""Count the columns of a layer, block by block."""

from amaranth import Module, Mux, Signal

__all__ = ["count_columns"]


def count_columns(m: Module, layer, step, bits: int) -> tuple[Signal, Signal]:
    """Add the count of the columns of ``layer``; it starts again after the last one.

    Parameters
    ----------
    layer : data.View
        Made of `descriptor_layout`.
    step : Signal
        High when the present column is over.
    bits : int
        Of the number of columns.

    Returns
    -------
    final : Signal
        The present column is the last one of its weight block.
    end : Signal
        It is the last one of the layer.
    """
    column, place = Signal(bits), Signal(bits)  # in the layer, in the block
    final, end = Signal(), Signal()
    m.d.comb += [
        end.eq(column + 1 == layer.columns),
        final.eq(end | (place + 1 == layer.block_columns)),
    ]
    with m.If(step):
        m.d.sync += [
            column.eq(Mux(end, 0, column + 1)), place.eq(Mux(final, 0, place + 1)),
        ]
    return final, end
