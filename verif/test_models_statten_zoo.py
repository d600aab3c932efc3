# SPDX-License-Identifier: Apache-2.0
"""Small spiking transformers: committed weights, training, and the commands."""

from dataclasses import replace

import msgspec
import pytest
import torch

from spikeloom.models.data.labelled import LabelledImages
from spikeloom.models.golden.layer import AttentionLayer, PoolLayer
from spikeloom.models.golden.network_file import network_arrays, read_arrays
from spikeloom.models.nn.quantization import integer_network
from spikeloom.models.nn.recipe import Recipe, TrainingPlan
from spikeloom.models.nn.statten import statten_layers
from spikeloom.models.nn.statten_shape import ATTENTIONS, StattenShape
from spikeloom.models.nn.training import STILL, TrainingConfig, operand
from spikeloom.models.zoo import registry, statten
from spikeloom.models.zoo.statten import Measurement

# Of the first 60 test inputs: right ones, and those that the float model gives the same class.
# Those that see one timestep guess between two classes.
LEAST = {"statten_digits": (54, 54), "statten_events": (30, 42), "statten_asked": (38, 42),
         "sdt_asked": (18, 20), "ssa_asked": (18, 20)}


@pytest.mark.parametrize("name", statten.NETWORKS)
def test_committed_networks(name):
    """Fake-quantized and integer model are the same, alive, and of the shape that is promised."""
    recipe, (shape, _) = registry.get(name), statten.RECIPES[name]
    network, model = recipe.load(), recipe.load_fake_quantized().double()
    made = network_arrays(integer_network(name, model))
    stored = read_arrays(recipe.weights)
    assert all((array == stored[field]).all() for field, array in made.items())
    test = recipe.load_test()
    images, labels = test.images[:60], test.labels[:60]
    trace = network.run(images)
    with torch.no_grad():
        maps, logits = model.trace(operand(images, torch.float64))
        floating = recipe.load_float()(operand(images)).argmax(1)
    for seen in trace.layers[:-1]:
        silent = seen.name in model.trained and model.trained[seen.name].config.silent
        assert torch.equal(maps[seen.name].bool(), seen.maps), seen.name
        assert seen.maps.any() != silent, f"{seen.name} must be alive"
    unit = model.trained["readout"].unit[0]
    assert torch.equal(logits * shape.timesteps / unit, trace.logits.double())
    right, same = LEAST[name]
    assert int((trace.predictions == labels).sum()) >= right
    assert int((trace.predictions == floating).sum()) >= same
    assert recipe.weights.stat().st_size < 600_000


def test_committed_networks_have_every_mechanism():
    """Poolings by OR, maximum and sum, chunks, two bit planes; lanes of 4 and of 5."""
    still, events = (registry.get(name).load() for name in ("statten_digits", "statten_events"))
    assert (still.timesteps, events.timesteps) == (4, 5)
    for network, chunk in ((still, 2), (events, 5)):
        kinds = {layer.kind for layer in network.layers if isinstance(layer, PoolLayer)}
        assert kinds == {"max", "sum"}
        assert {layer.chunk_steps for layer in network.layers
                if isinstance(layer, AttentionLayer)} == {chunk}
        assert "stem0.pool" in {layer.name for layer in network.layers}
    projection = next(layer for layer in events.products if layer.name == "block0.projection")
    first, second = projection.sources
    assert torch.equal(first.weight, second.weight) and second.input == "block0.gate"
    assert events.input_bits == 0 and still.input_bits == 8


def corners(count: int = 96) -> LabelledImages:
    """Return spikes of 8x8 pixels that are dense in one corner, which is the class."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(4, (count,), generator=generator)
    chance = torch.full((count, 4, 1, 8, 8), 0.05)
    for image, label in zip(chance, labels.tolist(), strict=True):
        image[:, :, label // 2 * 4:label // 2 * 4 + 4, label % 2 * 4:label % 2 * 4 + 4] = 0.8
    images = torch.rand(chance.shape, generator=generator) < chance
    return LabelledImages(images=images.to(torch.uint8), labels=labels)


SHAPE = StattenShape(side=8, inputs=1, classes=4, timesteps=4, chunk_steps=4, channels=16,
                     heads=2, depth=1, hidden_ratio=1, pools="0001", frames=True)
COURSE = TrainingConfig(epochs=8, rate=1e-2, batch=16, augmentation=STILL)
CORNERS = Recipe(
    name="corners", layers=statten_layers(SHAPE), timesteps=4,
    plan=TrainingPlan(floating=COURSE, quantized=replace(COURSE, epochs=1, rate=1e-3), sparsity=0),
    load_training=lambda: (corners(), corners(8)), load_test=corners)


def test_commands(tmp_path, monkeypatch, capsys):
    """Training learns, and what was measured is shown again."""
    monkeypatch.setattr(statten, "RECIPES", {"corners": (SHAPE, CORNERS)})
    monkeypatch.setattr(statten, "NETWORKS", {"corners": CORNERS})
    seeds = ("--seeds", "1", "--seeds", "3")
    statten.app(["train", *seeds, "--folder", str(tmp_path)], result_action="return_value")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corners-1.npz", "corners-3.npz"]
    capsys.readouterr()
    statten.app(["measure", "--folder", str(tmp_path), "--images", "64", "--json",
                 str(tmp_path / "all.json")], result_action="return_value")
    shown = capsys.readouterr().out
    assert "corners" in shown and "±" in shown
    results = msgspec.json.decode((tmp_path / "all.json").read_bytes(), type=list[Measurement])
    assert [result.seed for result in results] == [1, 3] and results[0].images == 64
    assert all(result.accuracy_integer > 0.8 for result in results)
    statten.app(["show", str(tmp_path / "all.json")], result_action="return_value")
    assert capsys.readouterr().out == shown
    with pytest.raises(SystemExit, match="network must be one of corners, not 'other'"):
        statten.app(["measure", "other"], result_action="return_value")


def test_shapes_are_listed(capsys):
    """Those of the authors and the small ones."""
    statten.app(["configs"], result_action="return_value")
    shown = capsys.readouterr().out
    for name in (*statten.PUBLISHED, *statten.NETWORKS):
        assert name in shown
    assert "10,227,274" in shown


def test_measurements_are_of_three_seeds():
    """Of all of the test split; attention in chunks is compared on the same task."""
    results = msgspec.json.decode(statten.MEASURED.read_bytes(), type=list[Measurement])
    found = {name: [row.seed for row in results if row.name == name] for name in statten.NETWORKS}
    assert all(found[f"{kind}_asked"] == [1, 2, 3] for kind in ATTENTIONS)
    assert 1 in found["statten_digits"] and 1 in found["statten_events"]
    assert all(row.images == 2000 for row in results)
