# SPDX-License-Identifier: Apache-2.0
"""Crossbar macro: binary wordlines in, the codes of its columns out."""

from torch import Tensor

from ...rtl.config import CrossbarConfig
from .adc import adc
from .checks import check_bits, check_range
from .conductance import Image
from .errors import GoldenError
from .ftp_array import exact_matmul
from .read_noise import ReadNoise

__all__ = ["check_image", "column_sums", "crossbar"]


def column_sums(wordlines: Tensor, image: Image, config: CrossbarConfig) -> Tensor:
    """Return what each column conducts, before its ADC.

    ``sum[c] = offset[c] + sum over active rows r of (cell[r][c] - g_min)``: a column of cells at
    level 0 is taken from all others.

    Parameters
    ----------
    wordlines : Tensor[..., R]
        0 or 1.
    image : Image
    config : CrossbarConfig

    Returns
    -------
    Tensor[..., C]
        int64.

    Raises
    ------
    GoldenError
        An operand does not fit the macro.
    """
    check_image(image, config)
    active = check_bits("wordlines", wordlines)
    if not active.ndim or active.shape[-1] != config.rows:
        raise GoldenError(f"wordlines must be of shape [..., {config.rows}], "
                          f"not {tuple(active.shape)}")
    return exact_matmul(active, image.cells - config.g_min, 1) + image.offsets


def crossbar(wordlines: Tensor, image: Image, config: CrossbarConfig,
             noise: ReadNoise | None = None) -> Tensor:
    """Read a macro once for each pattern of wordlines.

    Parameters
    ----------
    wordlines : Tensor[reads, R]
        0 or 1, a read in each row.
    image : Image
    config : CrossbarConfig
    noise : ReadNoise
        That of the macro, advanced by these reads; a fresh one if None.

    Returns
    -------
    Tensor[reads, C]
        int64, codes.

    Raises
    ------
    GoldenError
        An operand does not fit the macro.
    """
    sums = column_sums(wordlines, image, config)
    if sums.ndim != 2:
        raise GoldenError(f"wordlines must be of rank 2, not of shape {tuple(wordlines.shape)}")
    noise = noise or ReadNoise(config)
    return adc(sums + noise.draw(len(sums)), config.adc_bits, config.adc_shift)


def check_image(image: Image, config: CrossbarConfig) -> None:
    """Raise `GoldenError` unless the image fits the macro."""
    shapes = {"cells": (config.rows, config.columns), "offsets": (config.columns,),
              "negative": (config.rows, config.outputs)}
    for name, shape in shapes.items():
        found = tuple(getattr(image, name).shape)
        if found != shape:
            raise GoldenError(f"{name} of the image must be of shape {shape}, not {found}")
    reach = 1 << config.cell_word_bits
    check_range("cells", image.cells, 0, reach - 1)
    check_range("offsets", image.offsets, -reach // 2, reach // 2 - 1)
