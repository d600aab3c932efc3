# SPDX-License-Identifier: Apache-2.0
"""Accounting of the committed AlexNet trace against what LoAS's authors logged."""

import pytest

from spikeloom.verif.accounting.results import account
from spikeloom.verif.accounting.trace import ALEXNET, load_trace

# Cycles of 16 elements in the logs of LoAS's authors (A-L2 to A-L5), LoAS with fine-tuning.
LOGGED = {
    "conv2": {"sparten": 80365, "gospa": 70412, "gamma": 36624, "loas": 8866},
    "conv3": {"sparten": 65682, "gospa": 47091, "gamma": 34697, "loas": 8724},
    "conv4": {"sparten": 144933, "gospa": 113198, "gamma": 59717, "loas": 17035},
    "conv5": {"sparten": 74609, "gospa": 60488, "gamma": 24580, "loas": 6634},
}
# Ours to theirs. Rows of LoAS and Gamma: theirs are other images, the packed density of a layer
# differs by up to a tenth. Columns of SparTen and GoSPA: ours are evenly filled, in the trained
# network some hold several times the mean, and a tile waits for them; worst where the density
# is high. All but LoAS log unmasked spikes, ours are of the fine-tuned network, fewer by up to a
# fifth.
BANDS = {"loas": (0.90, 1.15), "gamma": (0.90, 1.10), "sparten": (0.45, 0.90),
         "gospa": (0.40, 0.90)}
TOTAL_BANDS = {"loas": (1.0, 1.12), "gamma": (0.95, 1.05), "sparten": (0.70, 0.80),
               "gospa": (0.65, 0.75)}
# The same trace and counts with other seeds, modelled elsewhere; the seed moves totals by 1.5 %.
MODELLED = {"loas": 43749, "sparten": 271007, "gospa": 202695, "gamma": 153113}
MODELLED_BOUND = 26971
# KB of DRAM in the logs, LoAS with fine-tuning.
DRAM = {"loas": (1267, 0.995, 1.005), "sparten": (4691, 1.0, 1.06), "gospa": (5690, 0.98, 1.0),
        "gamma": (2737, 0.9, 1.0)}


@pytest.fixture(scope="module")
def trace():
    return load_trace(*ALEXNET)


@pytest.fixture(scope="module")
def results(trace):
    return account(trace)


def test_shapes(trace):
    assert [(w.name, w.rows, w.positions, w.columns, w.nonzeros, w.timesteps)
            for w in trace.workloads] == [
        ("conv2", 64, 576, 192, 10489, 4), ("conv3", 64, 1728, 384, 14631, 4),
        ("conv4", 64, 3456, 256, 9992, 4), ("conv5", 64, 2304, 256, 3936, 4)]


def test_packed_densities(trace):
    """Close to the logged ones, in % with fine-tuning: another image, no neuron fires once."""
    logged = (11.5, 8.2, 30.3, 27.1)
    for work, percent in zip(trace.workloads, logged, strict=True):
        assert 0.97 < 100 * float(work.packed.float().mean()) / percent < 1.10


def test_notes(results):
    assert results.notes[0] == ("array fc1_input of alexnet_cifar10_spikes.npz is ignored: no "
                                "layer has that name")
    assert results.notes[1] == ("conv2: 10489 weights at random positions with random values, "
                                "seed 0")
    assert "channel-major" in results.notes[-1] and len(results.notes) == 6


def test_layers_are_near_the_logs(results):
    for layer in results.layers:
        for name, logged in LOGGED[layer.name].items():
            low, high = BANDS[name]
            assert low < layer.accounting[name] / logged < high, (layer.name, name)
            assert layer.bound <= layer.accounting[name]


def test_totals_are_near_the_logs(results):
    for name, (low, high) in TOTAL_BANDS.items():
        logged = sum(layer[name] for layer in LOGGED.values())
        assert low < results.total.accounting[name] / logged < high, name


def test_totals_are_as_modelled_elsewhere(results):
    assert results.total.bound == pytest.approx(MODELLED_BOUND, rel=0.01)
    assert results.total.accounting == pytest.approx(MODELLED, rel=0.02)


def test_traffic_is_near_the_logs(results):
    for name, (kilobytes, low, high) in DRAM.items():
        traffic = sum(results.total.dram_bytes[name].values()) / 1024
        assert low < traffic / kilobytes < high, (name, traffic)


def test_elements_are_passed_on(trace, results):
    half = account(trace, 8)
    assert half.elements == 8
    assert half.total.bound == pytest.approx(2 * results.total.bound, abs=len(results.layers))
    assert half.total.accounting["loas"] > results.total.accounting["loas"]
