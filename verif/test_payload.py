# SPDX-License-Identifier: Apache-2.0
"""Payloads packed and unpacked as Amaranth's own layouts have it."""

import re

import pytest
from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from hypothesis import given
from hypothesis import strategies as st

from spikeloom.verif.payload import PayloadError, pack, unpack, width


def _values(shape):
    """Return a strategy for values of ``shape``."""
    if isinstance(shape, data.StructLayout):
        return st.fixed_dictionaries({name: _values(field.shape) for name, field in shape})
    if isinstance(shape, data.ArrayLayout):
        return st.lists(_values(shape.elem_shape), min_size=shape.length, max_size=shape.length)
    if isinstance(shape, range):
        return st.sampled_from(shape)
    low = -(1 << (shape.width - 1)) if shape.signed else 0
    return st.integers(low, low + (1 << shape.width) - 1)


SHAPES = st.recursive(
    st.builds(unsigned, st.integers(1, 9)) | st.builds(signed, st.integers(1, 9))
    | st.builds(range, st.integers(1, 20)),
    lambda inner: st.builds(data.ArrayLayout, inner, st.integers(1, 4)) | st.builds(
        data.StructLayout, st.dictionaries(st.sampled_from("abcd"), inner, min_size=1)),
    max_leaves=6)


@given(SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), _values(shape))))
def test_pack_is_what_amaranth_says(case):
    shape, value = case
    bits = pack(shape, value)
    if isinstance(shape, data.Layout):
        assert bits == shape.const(value).as_value().value
    assert 0 <= bits < 1 << width(shape) or not width(shape)
    assert unpack(shape, bits) == value


PIXEL = data.StructLayout({"level": signed(4), "on": 1, "taps": data.ArrayLayout(2, 3)})


@pytest.mark.parametrize("value, text", [
    ({"level": 8, "on": 0, "taps": [0, 0, 0]}, "payload.level must be in -8..7, not 8"),
    ({"level": 0, "on": 2, "taps": [0, 0, 0]}, "payload.on must be in 0..1, not 2"),
    ({"level": 0, "on": 0, "taps": [0, 0]}, "payload.taps must be a list of 3, not [0, 0]"),
    ({"level": 0, "on": 0, "taps": [0, 4, 0]}, "payload.taps[1] must be in 0..3, not 4"),
    ({"level": 0, "on": 0}, "payload must have the fields level, on, taps, not"),
    (5, "payload must have the fields level, on, taps, not 5"),
])
def test_misfits_are_named(value, text):
    with pytest.raises(PayloadError, match=re.escape(text)):
        pack(PIXEL, value)
