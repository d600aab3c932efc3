# SPDX-License-Identifier: Apache-2.0
"""Accounting models: counted on paper, held to closed forms and to one another."""

import pytest
import torch

from spikeloom.models.golden.errors import GoldenError
from spikeloom.verif.accounting import bound, gamma, gospa, loas, sparten
from spikeloom.verif.accounting.workload import Workload

SERIAL = (sparten, gospa, gamma)
DESIGNS = (loas, *SERIAL)


def sparse(spikes, weights, timesteps=1, taps=1):
    """Return a workload from lane words by (row, position), weights by (position, column)."""
    rows, columns = (1 + max(key[side] for key in table)
                     for table, side in ((spikes, 0), (weights, 1)))
    positions = 1 + max(*(k for _, k in spikes), *(k for k, _ in weights))
    words, matrix = (torch.zeros(shape, dtype=torch.int64)
                     for shape in ((rows, positions), (positions, columns)))
    for key, word in spikes.items():
        words[key] = word
    for key, weight in weights.items():
        matrix[key] = weight
    return Workload(name="w", words=words, weights=matrix, timesteps=timesteps, taps=taps)


def random_workload(seed, rows=37, positions=300, columns=70, timesteps=3):
    rng = torch.Generator().manual_seed(seed)
    words = torch.randint(1 << timesteps, (rows, positions), generator=rng)
    words *= torch.rand(words.shape, generator=rng) < 0.3
    weights = torch.randint(-127, 128, (positions, columns), generator=rng)
    weights *= torch.rand(weights.shape, generator=rng) < 0.05
    return Workload(name="w", words=words, weights=weights, timesteps=timesteps)


@pytest.fixture
def paper():
    """Three rows, two timesteps, positions on both sides of 128, two columns.

    Weights in each row of the matrix: k0 1, k1 2, k128 1, k129 2.
    """
    return sparse({(0, 0): 0b11, (0, 1): 0b01, (0, 128): 0b10, (1, 0): 0b01, (1, 129): 0b11,
                   (2, 1): 0b10},
                  {(0, 0): 5, (1, 0): -3, (1, 1): 1, (128, 1): 7, (129, 0): -1, (129, 1): 2},
                  timesteps=2)


def test_counts_on_paper(paper):
    # Matches: row 0 has 1 + 2 + 1, row 1 has 1 + 2, row 2 has 2. Pairs: row 0 has
    # 2*1 + 1*2 + 1*1, row 1 has 1*1 + 2*2, row 2 has 1*2.
    assert (paper.matches, paper.pairs, paper.nonzeros) == (9, 12, 6)
    assert bound.cycles(paper, 2) == 5  # 9 / 2, rounded up
    assert bound.cycles(paper, 9) == 1


def test_loas_on_paper(paper):
    # Rows 0 and 1: below 128 max(1 + 2, 1), above max(1, 2). Row 2 alone: 2 and 0.
    assert loas.cycles(paper, 2) == 3 + 2 + 2 + 0
    # One element for each row: below 128 max(3, 1, 2), above max(1, 2, 0).
    assert loas.cycles(paper, 4) == 3 + 2


def test_sparten_on_paper(paper):
    # t0: rows 0, 1 have k0, row 0 has k1, row 1 has k129. Below 128 column 0 has 2 + 1, column 1
    # has 1; above both have 1. t1: k0 and k128 of row 0, k129 of row 1, k1 of row 2. Below 128
    # column 0 has 1 + 1, column 1 has 1; above column 0 has 1, column 1 has 2.
    assert sparten.cycles(paper, 2) == 3 + 1 + 2 + 2
    # Columns one after the other are all pairs.
    assert sparten.cycles(paper, 1) == 12


def test_gospa_on_paper(paper):
    # As SparTen, but all positions in one tile: t0 max(3 + 1, 1 + 1), t1 max(2 + 1, 1 + 2).
    assert gospa.cycles(paper, 2) == 4 + 3


def test_gamma_on_paper(paper):
    # t0: rows 0 and 1 have max(1 + 2, 1) in the first 64 positions, max(0, 2) in the third,
    # row 2 has none. t1: max(1, 0) and max(1, 2); row 2 has 2.
    assert gamma.cycles(paper, 2) == 3 + 2 + 1 + 2 + 2
    # Columns met, t0: row 0 both, row 1 column 0 and then both; t1: row 0 column 0 and then
    # column 1, row 1 both, row 2 both.
    assert gamma.partials(paper) == 2 + 1 + 2 + 1 + 1 + 2 + 2


def test_traffic_on_paper(paper):
    weights = {"weight_values": 6, "weight_bitmask": 33}  # 130 x 2 bits
    none = dict.fromkeys(("spike_words", "spike_bitmask", "write_back", "partial_sums"), 0)
    # 6 words of 2 bits; bitmasks of 3 x 130 bits are 49 bytes, for input and output.
    assert loas.traffic(paper, 2).as_dict() == none | weights | {
        "spike_words": 2, "spike_bitmask": 98, "write_back": 2}
    # 2 x 3 x 130 bits are 98 bytes, read for each of two columns.
    assert sparten.traffic(paper, 1).as_dict() == none | weights | {
        "spike_bitmask": 196, "write_back": 98}
    # 8 spikes of 17 bits are 17 bytes; 2 x 3 x 2 sums of 8 bits go and come.
    assert gospa.traffic(paper, 2).as_dict() == none | weights | {
        "spike_words": 9, "write_back": 8, "partial_sums": 24}
    # 11 sums of 14 bits, there and back, are 39 bytes; a quarter of them leaves.
    assert gamma.traffic(paper, 2).as_dict() == none | weights | {
        "spike_bitmask": 98, "write_back": 98, "partial_sums": 9}
    assert loas.traffic(paper, 2).total == 6 + 33 + 2 + 98 + 2


@pytest.mark.parametrize("design", [loas, gamma])
@pytest.mark.parametrize("nonzeros, rows, passes", [(4096, 17, 1), (4097, 17, 2), (4097, 16, 1)])
def test_weights_cross_again_unless_cached(design, nonzeros, rows, passes):
    weights = torch.zeros(100 * 50, dtype=torch.int64)
    weights[:nonzeros] = 1
    words = torch.ones((rows, 100), dtype=torch.int64)
    work = Workload(name="w", words=words, weights=weights.reshape(100, 50), timesteps=1)
    traffic = design.traffic(work)
    assert (traffic.weight_values, traffic.weight_bitmask) == (passes * nonzeros, passes * 625)


@pytest.mark.parametrize("design, positions, lines", [
    (loas, 128, 32), (sparten, 128, 32), (gospa, 256, 64), (gamma, 64, 64)])
def test_tile_sizes(design, positions, lines):
    """Two matches of two elements share a cycle if, and only if, they share a tile."""
    def cycles(place, line, owner=1):
        row, column = (owner, line) if design in (loas, gamma) else (line, owner)
        return design.cycles(sparse({(0, 0): 1, (row, place): 1},
                                    {(0, 0): 1, (place, column): 1}), 4)

    assert cycles(positions - 1, lines - 1) == 1
    assert cycles(positions, lines - 1) == 2
    assert cycles(positions - 1, lines) == 2
    assert cycles(positions - 1, lines - 1, owner=3) == 1
    assert cycles(positions - 1, lines - 1, owner=4) == 2


@pytest.mark.parametrize("seed", range(5))
def test_order(seed):
    """Nobody beats the bound; one element has no one to wait for; more of them only help."""
    work = random_workload(seed)
    for design in DESIGNS:
        counts = [design.cycles(work, elements) for elements in (1, 2, 4, 8, 16)]
        assert counts[0] == (work.matches if design is loas else work.pairs)
        assert counts == sorted(counts, reverse=True)
        for elements, count in zip((1, 2, 4, 8, 16), counts, strict=True):
            assert bound.cycles(work, elements) <= count
            assert count * elements >= counts[0]


@pytest.mark.parametrize("seed", range(3))
def test_mean_over_placements(seed):
    """Evenly placed weights of density d: d * N matches for each word, as many for each spike."""
    work = random_workload(seed)
    shifted = [Workload(name="w", words=work.words, weights=work.weights.roll(shift, 0),
                        timesteps=work.timesteps) for shift in range(work.positions)]
    words = int((work.words != 0).sum())
    spikes = int(work.spikes.sum())
    # Over all shifts each weight meets each position once, so d * N * K = nonzeros.
    assert sum(one.matches for one in shifted) == work.nonzeros * words
    assert sum(one.pairs for one in shifted) == work.nonzeros * spikes


@pytest.mark.parametrize("design", DESIGNS)
def test_dense_is_closed(design):
    """Where all spikes fire and no weight is zero every element is busy in every cycle."""
    work = Workload(name="w", words=torch.full((64, 512), 3), timesteps=2,
                    weights=torch.ones((512, 64), dtype=torch.int64))
    passes = 1 if design is loas else 2
    assert design.cycles(work, 16) == passes * 64 * 512 * 64 // 16


def test_silence_costs_nothing():
    work = Workload(name="w", words=torch.zeros((3, 5), dtype=torch.int64), timesteps=2,
                    weights=torch.ones((5, 2), dtype=torch.int64))
    assert [design.cycles(work) for design in (bound, *DESIGNS)] == [0] * 5


def test_channel_major_moves_no_match():
    # Two taps of three channels: (tap, channel) 00 01 02 10 11 12 to 00 10 01 11 02 12.
    work = sparse({(0, k): 1 for k in range(6)}, {(k, 0): k + 1 for k in range(6)}, taps=2)
    other = work.channel_major()
    assert other.weights[:, 0].tolist() == [1, 4, 2, 5, 3, 6]
    assert other.words.shape == work.words.shape
    unlike = random_workload(1)
    unlike = Workload(name="w", words=unlike.words, weights=unlike.weights, timesteps=3, taps=4)
    other = unlike.channel_major()
    assert (other.matches, other.pairs) == (unlike.matches, unlike.pairs)
    assert torch.equal(other.words @ other.weights, unlike.words @ unlike.weights)
    assert not torch.equal(other.words, unlike.words)


@pytest.mark.parametrize("change, message", [
    ({"weights": torch.ones(6, 1)}, "weights must have 4 rows, .* not 6"),
    ({"words": torch.ones(4)}, r"words must be of rank 2, not of shape \(4,\)"),
    ({"taps": 3}, r"taps must divide the positions \(4\), not be 3"),
    ({"words": torch.full((2, 4), 4)}, r"words must be in 0\.\.3, not 4"),
])
def test_workload_refuses(change, message):
    fields = {"name": "w", "words": torch.ones((2, 4), dtype=torch.int64), "timesteps": 2,
              "weights": torch.ones((4, 1), dtype=torch.int64), "taps": 2}
    with pytest.raises(GoldenError, match=message):
        Workload(**fields | change)
