# SPDX-License-Identifier: Apache-2.0
"""Golden weight lists: each against a plain statement of what it means."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.weight_list import (
    FormatChoice,
    bitmask_bits,
    choose_format,
    decode,
    encode,
    list_bits,
    list_entries,
    locate,
)

repeatable = settings(derandomize=True, deadline=None, max_examples=100)
geometries = st.sampled_from([(1, 1), (1, 8), (2, 1), (2, 4), (4, 2), (4, 8), (16, 8)])
densities = st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0])
deltas = st.sampled_from([0, 1, 2, 4, 7, 16])


def random_weights(seed, positions, columns, density, bits=8):
    rng = np.random.default_rng(seed)
    limit = 1 << (bits - 1)
    values = rng.integers(1, limit, (positions, columns)) * rng.choice([-1, 1],
                                                                      (positions, columns))
    return torch.from_numpy(values * (rng.random((positions, columns)) < density))


def tensor(*columns):
    return torch.tensor(columns, dtype=torch.int64).T


layers = st.builds(random_weights, st.integers(0, 2**32), st.integers(1, 300),
                   st.integers(0, 4), densities)


@repeatable
@given(geometries, st.integers(1, 500))
def test_each_position_has_a_place_of_its_own(geometry, positions):
    banks, slice_positions = geometry
    bank, place = locate(torch.arange(positions), banks, slice_positions)
    found = list(zip(bank.tolist(), place.tolist(), strict=True))
    assert len(set(found)) == positions
    assert all(first < second for first, second in zip(found, found[1:], strict=False)
               if first[0] == second[0])
    whole = positions // (banks * slice_positions) * banks * slice_positions
    if whole:  # then the banks are full alike
        assert set(found[:whole]) == {(bank, place) for bank in range(banks)
                                      for place in range(whole // banks)}


def test_slices_go_round_the_banks():
    bank, place = locate(torch.arange(10), 2, 2)
    assert bank.tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 0, 0]
    assert place.tolist() == [0, 1, 0, 1, 2, 3, 2, 3, 4, 5]


@repeatable
@given(layers, geometries, deltas)
def test_decode_inverts_encode(weights, geometry, delta_bits):
    columns = encode(weights, *geometry, delta_bits)
    assert torch.equal(decode(columns, len(weights), *geometry, delta_bits), weights)
    for column, values in zip(columns, weights.T, strict=True):
        assert column and all(len(beat) == geometry[0] for beat in column)
        assert all(0 <= delta < 1 << delta_bits for beat in column for delta, _ in beat)
        # no beat is there for nothing: the last one has a weight, unless the column has none
        assert any(weight for _, weight in column[-1]) or not values.any()
        assert values.any() or len(column) == 1


@repeatable
@given(layers, geometries, deltas)
def test_entries_are_the_weights_in_order_of_their_places(weights, geometry, delta_bits):
    banks, places = locate(torch.arange(len(weights)), *geometry)
    for column, values in zip(encode(weights, *geometry, delta_bits), weights.T, strict=True):
        beats = list(list_entries(column, geometry[0], delta_bits))
        for bank in range(geometry[0]):
            mine = (banks == bank) & (values != 0)
            assert [beat[bank] for beat in beats if beat[bank] is not None] == list(
                zip(places[mine].tolist(), values[mine].tolist(), strict=True))


@repeatable
@given(layers, geometries, deltas, st.integers(2, 8))
def test_bits_are_those_of_the_beats(weights, geometry, delta_bits, weight_bits):
    beats = sum(map(len, encode(weights, *geometry, delta_bits)))
    beat_bits = geometry[0] * (delta_bits + weight_bits) + 1
    assert list_bits(weights, *geometry, delta_bits, weight_bits) == beats * beat_bits


@pytest.mark.parametrize("values, delta_bits, beats", [
    # one bank: a gap that fits, one place more, and a long one
    ([0, 0, 0, 5], 2, [[(3, 5)]]),
    ([0, 0, 0, 0, 5], 2, [[(3, 0)], [(0, 5)]]),
    ([0] * 9 + [5, -6], 2, [[(3, 0)], [(3, 0)], [(1, 5)], [(0, -6)]]),
    ([0, 0, 7], 0, [[(0, 0)], [(0, 0)], [(0, 7)]]),
    ([0, 0, 0], 2, [[(0, 0)]]),
    ([-128, 127], 1, [[(0, -128)], [(0, 127)]]),
])
def test_slots_of_a_bank(values, delta_bits, beats):
    assert encode(tensor(values), 1, 1, delta_bits) == [beats]


def test_a_bank_with_fewer_slots_is_padded_behind():
    # positions 0, 1 are of bank 0 and 2, 3 of bank 1
    assert encode(tensor([1, 2, 0, 3], [0, 0, 4, 5], [0, 0, 0, 0]), 2, 2, 1) == [
        [[(0, 1), (1, 3)], [(0, 2), (0, 0)]],
        [[(0, 0), (0, 4)], [(0, 0), (0, 5)]],
        [[(0, 0), (0, 0)]],
    ]


def test_padding_may_pass_the_last_place():
    columns = [[[(7, 3)], [(7, 0)], [(7, 0)]]]
    assert decode(columns, 8, 1, 1, 3).flatten().tolist() == [0] * 7 + [3]


def test_the_bitmask_takes_a_bit_a_position():
    assert bitmask_bits(tensor([0, 1, 2, 0], [0, 0, 0, 3]), 8) == 8 + 3 * 8


@repeatable
@given(layers, geometries, st.integers(0, 6))
def test_the_format_of_the_fewest_bits_is_chosen(weights, geometry, most):
    choice = choose_format(weights, *geometry, 8, range(most + 1))
    assert choice.list_bits == {delta: list_bits(weights, *geometry, delta, 8)
                                for delta in range(most + 1)}
    assert choice.bitmask_bits == bitmask_bits(weights, 8)
    assert choice.bits == min(choice.bitmask_bits, *choice.list_bits.values())
    if choice.delta_bits is None:
        assert choice.bits < min(choice.list_bits.values())
    else:
        assert choice.list_bits[choice.delta_bits] == choice.bits


@pytest.mark.parametrize("density, expected", [(0.005, "list"), (0.3, "bitmask"), (1.0, "list")])
def test_sparse_and_dense_layers_are_lists(density, expected):
    choice = choose_format(random_weights(3, 1024, 16, density), 4, 8, 8)
    assert choice.reason.startswith(expected)
    assert (choice.delta_bits is None) == (expected == "bitmask")
    assert choice.delta_bits == 0 if density == 1.0 else choice.delta_bits != 0


def test_the_reason_gives_both():
    assert FormatChoice(3, 200, {3: 100, 4: 110}).reason == (
        "list with deltas of 3 bits: 100 bits; bitmask: 200 bits")
    assert FormatChoice(None, 90, {3: 110, 4: 100}).reason == (
        "bitmask: 90 bits; best list with deltas of 4 bits: 100 bits")


def test_of_two_alike_the_list_with_the_shortest_delta_is_chosen():
    weights = tensor([1] * 5)  # 5 beats of 9 bits, or 5 bits and 5 weights
    assert choose_format(weights, 1, 1, 8, [0]) == FormatChoice(0, 45, {0: 45})
    assert choose_format(weights, 1, 1, 8, [1]) == FormatChoice(None, 45, {1: 50})
    weights = tensor([0, 0, 1, 0, 0, 0, 0, 0])  # 2 beats of 5 bits, or 1 beat of 10
    assert choose_format(weights, 1, 1, 3, [6, 1]) == FormatChoice(1, 11, {6: 10, 1: 10})


@pytest.mark.parametrize("call, message", [
    (lambda w: encode(w[0], 1, 1, 1), r"weights must be of rank 2, not of shape \(2,\)"),
    (lambda w: encode(w.float(), 1, 1, 1), "weights must be a tensor of integers"),
    (lambda w: encode(w[:0], 1, 1, 1), "positions of weights must be an int in 1..65536, not 0"),
    (lambda w: encode(w, 0, 1, 1), "banks must be an int in 1..16, not 0"),
    (lambda w: encode(w, 1, 65, 1), "slice_positions must be an int in 1..64, not 65"),
    (lambda w: encode(w, 1, 1, 17), "delta_bits must be an int in 0..16, not 17"),
    (lambda w: list_bits(w, 1, 1, -1, 8), "delta_bits must be an int in 0..16, not -1"),
    (lambda w: choose_format(w, 1, 1, 9), "weight_bits must be an int in 2..8, not 9"),
    (lambda w: choose_format(w, 1, 1, 2), r"weights must be in -2\.\.1, not 3"),
    (lambda w: choose_format(w, 1, 1, 8, []), "delta_bits must have at least 1 value, not 0"),
    (lambda w: decode([[]], 4, 1, 1, 2), "beats of a column must be at least 1, not 0"),
    (lambda w: decode([[[(0, 1)]]], 4, 2, 1, 2), "slots of a beat must be 2, not 1"),
    (lambda w: decode([[[(4, 1)]]], 8, 1, 1, 2), "delta must be an int in 0..3, not 4"),
    (lambda w: decode([[[(3, 1)]]], 3, 1, 1, 2),
     "position of a weight of column 0 must be an int in 0..2, not 3"),
])
def test_wrong_operands_are_named(call, message):
    with pytest.raises(GoldenError, match=message):
        call(tensor([0, 3], [1, 0]))
