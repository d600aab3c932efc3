# SPDX-License-Identifier: Apache-2.0
"""Golden layers whose weights, integers or inputs differ between timesteps."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from spikeloom.models.golden import network_file
from spikeloom.models.golden.errors import GoldenError, NetworkError
from spikeloom.models.golden.lane_word import pack
from spikeloom.models.golden.network import IntegerNetwork
from spikeloom.models.golden.plif import LIF, plif
from spikeloom.verif.made_networks import Made, alive, small_images, swap

LEAK = LIF(shift=2, decay_input=False)


def masked(first=0b0011, second=0b1100):
    """Return a network of spikes whose second layer has a kernel of 3x3 and one of 1x1."""
    made = Made(11)
    return IntegerNetwork(name="masked", timesteps=4, input_shape=(2, 6, 5), input_bits=0, layers=(
        made.layer("a", made.source("image", (4, 2, 3, 3), (6, 5), padding=(1, 1)), lif=LEAK,
                   threshold=60),
        made.layer("b", made.source("a", (5, 4, 3, 3), (6, 5), stride=2, padding=(1, 1),
                                    time_mask=first),
                   made.source("a", (5, 4, 1, 1), (6, 5), density=0.9, stride=2,
                               time_mask=second), threshold=50),
        made.layer("out", made.source("b", (3, 5, 3, 3), (3, 3)), output="readout")))


def stepwise():
    """Return one whose layers hand on integers of each timestep."""
    made = Made(12)
    return IntegerNetwork(name="stepwise", timesteps=4, input_shape=(1, 6, 6), layers=(
        made.layer("a", made.source("image", (4, 1, 3, 3), (6, 6), padding=(1, 1)),
                   input_bits=8, threshold=3000),
        made.layer("b", made.source("a", (6, 4, 3, 3), (6, 6), padding=(1, 1)), scale=(14, 16),
                   output="integers", out_bits=6, out_signed=True, out_each_step=True),
        made.layer("c", made.source("b", (6, 6, 3, 3), (6, 6), stride=2, padding=(1, 1)),
                   input_bits=6, input_signed=True, input_each_step=True, threshold=200),
        made.layer("out", made.source("c", (3, 6, 3, 3), (3, 3)), output="readout")))


def test_mask_is_anded_into_the_lane_words():
    network = alive(masked())
    trace, plain = (x.run(small_images(network, 8)) for x in (network, alive(masked(None, None))))
    rows, b = trace["b"].rows, network.layers[1]
    assert torch.equal(pack(plain["b"].rows[..., :36]) & 0b0011, pack(rows[..., :36]))
    assert torch.equal(pack(plain["b"].rows[..., 36:]) & 0b1100, pack(rows[..., 36:]))
    assert torch.equal(trace["b"].psums.double(), rows.double() @ b.weight_matrix().double())
    for t in range(4):  # one kernel or the other
        source = b.sources[t >= 2]
        expected = functional.conv2d(trace["a"].maps[t].double(), source.weight.double(),
                                     stride=2, padding=source.padding)
        assert torch.equal(trace["b"].psums[t].double(), expected.movedim(1, 3).reshape(-1, 5))
    assert trace["b"].psums.any(2).any(1).all()


def test_mask_of_ones_is_an_ordinary_layer():
    found, plain = (alive(masked(mask, mask)).run(small_images(masked(), 8))
                    for mask in (0b1111, None))
    for one, other in zip(found.layers, plain.layers, strict=True):
        assert torch.equal(one.psums, other.psums) and torch.equal(one.currents, other.currents)
    assert not torch.equal(plain.logits, alive(masked()).run(small_images(masked(), 8)).logits)


def test_integers_of_each_timestep():
    network = alive(stepwise())
    trace = network.run(small_images(network, 6))
    b, c = trace["b"], network.layers[2]
    assert not torch.equal(b.maps[0], b.maps[1])
    currents = b.currents.unflatten(1, (6, 6, 6)).movedim(4, 2)
    assert torch.equal(b.maps, currents.clamp(-32, 31)) and (b.maps < 0).any()
    for t in range(4):
        expected = functional.conv2d(b.maps[t].double(), c.sources[0].weight.double(), stride=2,
                                     padding=1)
        assert torch.equal(trace["c"].psums[t].double(), expected.movedim(1, 3).reshape(-1, 6))
    first = replace(network.layers[1], out_each_step=False)
    still = replace(network, layers=(network.layers[0], first, replace(
        c, input_each_step=False), network.layers[3])).run(small_images(network, 6))
    assert torch.equal(still["b"].maps, b.maps[:1].expand_as(b.maps))
    assert torch.equal(still["c"].psums[1], trace["c"].psums[0])


@pytest.mark.parametrize("make", [masked, stepwise])
def test_file_holds_what_differs_between_timesteps(make, tmp_path):
    network = alive(make())
    images = small_images(network)
    network_file.save(tmp_path / "a.npz", network)
    loaded = network_file.load(tmp_path / "a.npz")
    assert torch.equal(loaded.run(images).logits, network.run(images).logits)
    assert loaded.input_bits == network.input_bits
    assert [source.time_mask for layer in loaded.layers for source in layer.sources] == [
        source.time_mask for layer in network.layers for source in layer.sources]
    header = str(network_file.network_arrays(network)["header"])
    assert ("time_mask" in header) == (make is masked)
    assert ("out_each_step" in header) == ("input_each_step" in header) == (make is stepwise)


@pytest.mark.parametrize(("change", "message"), [
    (lambda: masked(first=0), "source a: time_mask must be an int in 1..65535, not 0"),
    (lambda: masked(first=16), "b: time_mask of source a must be an int in 1..15, not 16"),
    (lambda: swap(stepwise(), 2, sources=(replace(stepwise().layers[2].sources[0], time_mask=3),)),
     "c: time_mask of source b must be None where integers are read, not 3"),
    (lambda: swap(stepwise(), 0, out_each_step=True), "a: out_each_step must be False for spikes"),
    (lambda: swap(stepwise(), 2, input_each_step=False),
     "c: input_each_step must be True, as b gives, not False"),
    (lambda: replace(masked(), input_bits=8), "a: input_bits must be 8, as image gives, not 0"),
    (lambda: replace(masked(), timesteps=3), "b: time_mask of source a must be an int in 1..7"),
])
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises((GoldenError, NetworkError), match=message):
        change()


def test_neuron_of_the_paper_has_a_threshold_one_higher():
    """``u = u/4 + x``, fires if ``u > 0.5``: with 8 fraction bits ``u >= 129``."""
    x = torch.randint(-300, 300, (8, 5000), generator=torch.Generator().manual_seed(1))
    spikes = plif(x, torch.zeros(5000, dtype=torch.int64),
                  torch.full((5000,), 129), LEAK)
    membrane, edges = torch.zeros(5000, dtype=torch.int64), 0
    for t, current in enumerate(x):
        membrane = (membrane >> 2) + current
        edges += int((membrane == 128).sum())
        assert torch.equal(spikes[t], membrane > 128)
        membrane = membrane.masked_fill(spikes[t], 0)
    assert edges > 20
