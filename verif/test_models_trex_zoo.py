# SPDX-License-Identifier: Apache-2.0
"""Vision transformers with attention reuse: recipes, committed weights, and all commands."""

from dataclasses import replace

import msgspec
import pytest
import torch

from spikeloom.gen.trex import __main__ as report
from spikeloom.models.data import patches, recall
from spikeloom.models.data.labelled import LabelledImages
from spikeloom.models.golden.vit_shape import VitShape
from spikeloom.models.nn.training import TrainingConfig
from spikeloom.models.nn.vit_recipe import Measurement, VitRecipe, measure
from spikeloom.models.zoo import trex
from spikeloom.models.zoo.registry import UnknownNetworkError

RIGHT = {"recall": 0.95, "fashion": 0.77}  # of the first 200, at least


def few_tokens():
    """Inputs whose class is the feature of the last token."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 3, (256,), generator=generator)
    tokens = torch.randint(0, 30, (256, 4, 3), generator=generator)
    tokens[torch.arange(256), -1, labels] += 60
    return recall.LabelledTokens(tokens=tokens, labels=labels)


QUICK = VitRecipe(
    task="quick", input_exponent=6, load_training=few_tokens, load_test=few_tokens,
    shape=VitShape(pattern="AA", tokens=4, channels=8, heads=2, hidden=8, features=3, classes=3,
                   pool="last"),
    training=TrainingConfig(epochs=8, rate=0.01, batch=32),
    tuning=TrainingConfig(epochs=1, rate=0.003, batch=32))


def test_training_learns_and_repeats(tmp_path):
    recipe = QUICK.with_pattern("AR")
    twin = recipe.train(few_tokens(), 3)
    recipe.save(tmp_path / "quick.npz", twin)
    network = recipe.load(tmp_path / "quick.npz")
    assert network.name == "trex_quick_AR"
    assert measure(recipe, few_tokens(), network, 3).accuracy > 0.9
    again = recipe.train(few_tokens(), 3)
    for one, other in zip(twin.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_images_become_patches():
    images = torch.arange(28 * 28, dtype=torch.int64).reshape(1, 28, 28)
    data = patches.cut(LabelledImages(images=(images % 256).to(torch.uint8),
                                      labels=torch.tensor([4])))
    assert data.tokens.shape == (1, 16, 49) and data.labels.tolist() == [4]
    assert data.tokens[0, 5].reshape(7, 7).tolist() == (
        images[0, 7:14, 7:14] % 256 // 2).tolist()


def test_names():
    assert trex.get("trex_recall_ARAR").name == "trex_recall_ARAR"
    assert trex.get("trex_fashion_ASAS").shape.tokens == 16
    for name in ("trex_letters_AAAA", "recall_AAAA", "trex"):
        with pytest.raises(UnknownNetworkError, match="network must be trex_TASK_PATTERN with "
                                                      f"one of recall, digits, fashion, "
                                                      f"not '{name}'"):
            trex.get(name)


@pytest.mark.parametrize("name", trex.COMMITTED)
def test_committed_networks(name):
    recipe = trex.get(name)
    network, data = recipe.load(), recipe.load_test().first(200)
    assert network.shape == recipe.shape
    found = measure(recipe, data, network).accuracy
    if name == "trex_recall_SSSS":  # without attention: chance
        assert found < 0.25
    else:
        assert found >= RIGHT[recipe.task]


def test_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(trex, "TASKS", {"quick": QUICK})
    seeds, names = ("--seeds", "1", "--seeds", "2"), ("trex_quick_AA", "trex_quick_AR")
    trex.app(["train", *names, *seeds, "--folder", str(tmp_path)], result_action="return_value")
    assert len(list(tmp_path.glob("trex_quick_A?-?.npz"))) == 4
    capsys.readouterr()
    path = tmp_path / "all.json"
    trex.app(["measure", *names, "--folder", str(tmp_path), "--crossbar", "10", "--json",
              str(path)], result_action="return_value")
    assert "sigma 10 %" in capsys.readouterr().out
    results = msgspec.json.decode(path.read_bytes(), type=list[Measurement])
    assert [(row.pattern, row.seed) for row in results] == [
        ("AA", 1), ("AA", 2), ("AR", 1), ("AR", 2)]
    with pytest.raises(SystemExit, match="not 'other'"):
        trex.app(["measure", "other"], result_action="return_value")


def test_reports(tmp_path, capsys):
    results = [Measurement(task="recall", pattern=pattern, seed=1, inputs=9, accuracy=value,
                           accuracy_crossbar={})
               for pattern, value in (("AAAA", 1.0), ("ARAR", 0.75), ("AARR", 0.5))]
    path = tmp_path / "all.json"
    path.write_bytes(msgspec.json.encode(results))
    report.app(["patterns", "recall", "--targets", "1.0", "--targets", "0.85", "--measured",
                str(path)], result_action="return_value")
    shown = capsys.readouterr().out
    assert "ARAR" in shown and "75.0 %" in shown and "0.85" in shown
    assert "published: DeiT-S EDAP 2.3 x lower" in " ".join(shown.split())
    areas = []
    for option in ("--no-shared", "--shared"):
        report.app(["patterns", "recall", "--targets", "1.0", "--measured", str(path), option],
                   result_action="return_value")
        areas.append(float(capsys.readouterr().out.rpartition(" mm2")[0].split()[-1]))
    assert areas[1] < areas[0]
    report.app(["published", "--targets", "0.75"], result_action="return_value")
    shown = capsys.readouterr().out
    assert "DeiT-S" in shown and shown.count("fewest reuses that meet a delay") == 4
    with pytest.raises(SystemExit, match="delay must be at least"):
        report.app(["published", "--targets", "0.1"], result_action="return_value")
    with pytest.raises(SystemExit, match="delay must be at least"):
        report.app(["patterns", "recall", "--targets", "0.1", "--measured", str(path)],
                   result_action="return_value")


def test_recipes_of_other_patterns_share_the_rest():
    other = QUICK.with_pattern("AS")
    assert other.shape == replace(QUICK.shape, pattern="AS") and other.name == "trex_quick_AS"
