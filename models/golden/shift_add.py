# SPDX-License-Identifier: Apache-2.0
"""From the codes of a crossbar's columns to signed results: shift-add and sign correction."""

import torch
from torch import Tensor

from ...rtl.config import CrossbarConfig
from .checks import check_bits, check_integers, check_range
from .errors import GoldenError
from .ftp_array import exact_matmul

__all__ = ["shift_add"]


def shift_add(codes: Tensor, wordlines: Tensor, negative: Tensor,
              config: CrossbarConfig) -> Tensor:
    """Put the slices of weights together.

    With ``V = sum over slices k of code[k] << b*k``, ``e`` and ``f`` the shift of codes and the
    fraction bits of results, and W the bits of a weight::

        y = (V+ - V-) << e                                             differential
        y = (V << e) - (active wordlines << W-1+f)                     offset
        y = (V << e) - (active wordlines of negative weights << W-1+f) sign

    Without noise and clipping, and if a step of the ADC is no coarser than a level, y is the
    product of weights and wordlines times ``2**f``.

    Parameters
    ----------
    codes : Tensor[reads, C]
        Integers, codes of the columns.
    wordlines : Tensor[reads, R]
        0 or 1.
    negative : Tensor[R, N]
        bool, the weights below 0.
    config : CrossbarConfig

    Returns
    -------
    Tensor[reads, N]
        int64, in units of ``2**-f`` of a weight.

    Raises
    ------
    GoldenError
        An operand does not fit the macro.
    """
    codes = check_integers("codes", codes)
    active = check_bits("wordlines", wordlines)
    if codes.shape != (len(active), config.columns):
        raise GoldenError(f"codes must be of shape ({len(active)}, {config.columns}), "
                          f"not {tuple(codes.shape)}")
    check_range("codes", codes, 0, (1 << config.adc_bits) - 1)
    used = codes[:, :config.outputs * config.columns_per_output]
    slices = used.reshape(len(codes), config.outputs, -1, config.slices)
    place = torch.tensor([1 << (config.cell_bits * k) for k in range(config.slices)])
    values = (slices * place).sum(-1) << config.code_shift
    if config.encoding == "differential":
        return values[:, :, 0] - values[:, :, 1]
    counts = active.sum(1, keepdim=True)
    if config.encoding == "sign":
        counts = exact_matmul(active, negative.to(torch.int64), 1)
    return values[:, :, 0] - (counts << (config.weight_bits - 1 + config.result_fraction_bits))
