# SPDX-License-Identifier: Apache-2.0
"""The SLIP units in Verilator against the golden functions."""

import pytest

from spikeloom.models.golden.slip import END_TOKEN, decode, encode
from spikeloom.rtl.config import LinkConfig
from spikeloom.verif.runner import Run, run_bench


@pytest.mark.parametrize("unit", ["slip_decoder", "slip_encoder"])
def test_bench(unit):
    run_bench(Run(unit=unit, config=LinkConfig(), bench="tb_slip"))


def test_the_golden_frames():
    tokens = [END_TOKEN, *range(256), END_TOKEN, 0xDB, 0xC0]
    assert encode([0xC0, END_TOKEN, 0xDB]) == b"\xDB\xDC\xC0\xDB\xDD"
    assert list(decode(encode(tokens))) == tokens
    assert list(decode(b"\xDB\x41\xDB\xC0")) == [0x41, END_TOKEN]
