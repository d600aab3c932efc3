# SPDX-License-Identifier: Apache-2.0
"""Payloads that the vector units of a vision transformer exchange."""

from amaranth import signed, unsigned
from amaranth.lib import data

from ..config import VitConfig

__all__ = ["affine_layout", "channel_layout", "scale_layout", "score_layout"]


def channel_layout(config: VitConfig) -> data.StructLayout:
    """Return one channel of a token.

    Members
    -------
    value : signed(token_bits)
        In the unit of the residual.
    last : unsigned(1)
        Last channel of its token.
    """
    return data.StructLayout({"value": signed(config.token_bits), "last": unsigned(1)})


def affine_layout(config: VitConfig) -> data.StructLayout:
    """Return what a layer norm does to one channel.

    Members
    -------
    gamma : signed(value_bits)
        Factor of the normalized value.
    beta : signed(beta_bits)
        Added to the product.
    """
    return data.StructLayout({"gamma": signed(config.value_bits),
                              "beta": signed(config.beta_bits)})


def score_layout(config: VitConfig) -> data.StructLayout:
    """Return one score.

    Members
    -------
    value : signed(score_bits)
        The higher, the more probable.
    last : unsigned(1)
        Last score of its row.
    """
    return data.StructLayout({"value": signed(config.score_bits), "last": unsigned(1)})


def scale_layout() -> data.StructLayout:
    """Return the unit of scores.

    Members
    -------
    gain : unsigned(8)
        Factor of the distance to the highest score.
    shift : unsigned(5)
        Right shift of the product, to steps of the table.
    """
    return data.StructLayout({"gain": unsigned(8), "shift": unsigned(5)})
