# SPDX-License-Identifier: Apache-2.0
"""Networks of neurons that spike once: recipes, committed weights, and both commands."""

from dataclasses import replace

import msgspec
import pytest
import torch

from spikeloom.models.data.labelled import LabelledImages
from spikeloom.models.golden.errors import NetworkFileError
from spikeloom.models.golden.ttfs_layers import TTFSAdd, TTFSConcat, TTFSDelay
from spikeloom.models.nn.training import STILL, TrainingConfig
from spikeloom.models.nn.ttfs_network import FirstSpikeShape
from spikeloom.models.nn.ttfs_recipe import FirstSpikeRecipe, Measurement, measure
from spikeloom.models.nn.ttfs_training import FirstSpikeTraining
from spikeloom.models.zoo import ttfs
from spikeloom.models.zoo.registry import UnknownNetworkError


def corners():
    """Images of 12x12 pixels with one bright corner, which is the class."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 4, (192,), generator=generator)
    images = torch.randint(0, 40, (192, 12, 12), generator=generator, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[label // 2 * 6:label // 2 * 6 + 6, label % 2 * 6:label % 2 * 6 + 6] += 200
    return LabelledImages(images=images, labels=labels)


CORNERS = FirstSpikeRecipe(
    name="corners",
    shape=FirstSpikeShape(skip="concatenation", delay=True, width=8, side=12, classes=4),
    training=FirstSpikeTraining(course=TrainingConfig(
        epochs=6, rate=0.01, batch=16,
        augmentation=STILL)),
    tuning=FirstSpikeTraining(course=TrainingConfig(
        epochs=2, rate=1e-3, batch=16, augmentation=STILL)),
    load_training=corners, load_test=corners)


@pytest.fixture(scope="module")
def trained():
    return CORNERS.train(corners(), 3)


def test_training_learns_and_repeats(trained, tmp_path):
    CORNERS.save(tmp_path / "corners.npz", trained)
    found = measure(CORNERS, corners(), tmp_path / "corners.npz", 3, (5,), few=64)
    assert found.accuracy_float > 0.9 and found.accuracy_integer > 0.9
    assert found.agreement == 1
    assert found.agreement_continuous > 0.9 and found.agreements[5] > 0.95
    assert 0 < found.decision <= found.window == 93 and found.undecided < 0.1
    steps = []
    again = CORNERS.train(corners(), 3, lambda *step: steps.append(step[:2]))
    assert steps == [(step, 96) for step in range(96)]
    for one, other in zip(trained.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_stored_trained_network_is_the_same(trained, tmp_path):
    CORNERS.save(tmp_path / "corners.npz", trained)
    found = CORNERS.load_float(tmp_path / "corners.npz")
    for field, tensor in trained.state_dict().items():
        assert torch.equal(found.state_dict()[field], tensor)
    assert found.resolution == 4
    other = replace(CORNERS, shape=replace(CORNERS.shape, width=4))
    with pytest.raises(NetworkFileError, match="float.stem.weight must be of shape .8, 1, 5, 5., "
                                               "not of shape .16, 1, 5, 5."):
        other.load_float(tmp_path / "corners.npz")


def test_names_and_mechanisms():
    assert list(ttfs.NETWORKS) == [f"ttfs_{data}_{variant}"
                                   for data in ("mnist", "fashion", "wave")
                                   for variant in ("base", "res", "shuffle", "delay")
                                   ] + ["ttfs_mnist_small"]
    with pytest.raises(UnknownNetworkError, match="network must be one of ttfs_mnist_base, .*, "
                                                  "not 'ttfs_mnist'"):
        ttfs.get("ttfs_mnist")


RIGHT = {"mnist": 25, "fashion": 19, "wave": 26}  # of the first 30 images, at least


@pytest.mark.parametrize("name", ttfs.NETWORKS)
def test_committed_networks(name):
    recipe = ttfs.get(name)
    network, data = recipe.load(), recipe.load_test()
    kinds = [type(layer) for layer in network.layers]
    _, images_of, variant = name.split("_")
    assert (TTFSAdd in kinds) == (variant == "res")
    assert (TTFSDelay in kinds) == (variant == "delay")
    assert (TTFSConcat in kinds) == (variant not in ("base", "small"))
    assert network.input_shape == (1, recipe.shape.side, recipe.shape.side)
    assert network.classes == recipe.shape.classes and network.tau_shift == recipe.resolution
    images, labels = data.images[:30], data.labels[:30]
    found = network.run(images[:, None].to(torch.int64)).classes
    floating = recipe.load_float()(images.to(torch.float32) / 256).argmax(1)
    assert int((found == floating).sum()) >= (30 if recipe.shape.kernel == "linear" else 29)
    assert int((found == labels).sum()) >= RIGHT[images_of]


def test_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ttfs, "NETWORKS", {"corners": CORNERS})
    seeds = ("--seeds", "1", "--seeds", "3")
    ttfs.app(["train", *seeds, "--folder", str(tmp_path)], result_action="return_value")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corners-1.npz", "corners-3.npz"]
    capsys.readouterr()
    ttfs.app(["measure", "corners", "--folder", str(tmp_path), "--images", "40", "--resolutions",
              "3", "--json", str(tmp_path / "all.json")], result_action="return_value")
    shown = capsys.readouterr().out
    assert "corners" in shown and "±" in shown and "k = 3" in shown
    results = msgspec.json.decode((tmp_path / "all.json").read_bytes(), type=list[Measurement])
    assert [result.seed for result in results] == [1, 3] and results[0].images == 40
    ttfs.app(["show", str(tmp_path / "all.json")], result_action="return_value")
    assert capsys.readouterr().out == shown
    with pytest.raises(SystemExit, match="network must be one of corners, not 'other'"):
        ttfs.app(["measure", "other"], result_action="return_value")


def test_measurements_are_of_three_seeds():
    results = msgspec.json.decode(ttfs.MEASURED.read_bytes(), type=list[Measurement])
    assert [(result.name, result.seed) for result in results] == [
        (name, seed) for name in ttfs.NETWORKS for seed in (1, 2, 3)]
    for result in results:
        assert result.images == len(ttfs.get(result.name).load_test().labels)
        assert set(result.agreements) == {3, 5}
