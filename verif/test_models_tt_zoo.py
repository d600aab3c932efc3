# SPDX-License-Identifier: Apache-2.0
"""The trained networks of tensor-train cores, and what was measured of them."""

import msgspec
import pytest
import torch

from spikeloom.models.nn.costs import costs
from spikeloom.models.nn.tensor_train_recipe import Measurement
from spikeloom.models.zoo import registry, tt_snn

_IMAGES = 200
_SPREAD = 0.06  # of the accuracy between some images and all


@pytest.fixture(scope="module")
def measured():
    return msgspec.json.decode(tt_snn.MEASURED.read_bytes(), type=list[Measurement])


@pytest.mark.parametrize("name", tt_snn.NETWORKS)
def test_committed_network_is_as_good_as_measured(name, measured):
    recipe, (result, *_) = tt_snn.get(name), [x for x in measured if x.name == name]
    data = recipe.load_test()
    assert result.seed == 1 and result.images == len(data.labels) == 2000
    for variant, accuracy in ((name, result.accuracy_int8), (f"{name}_int4", result.accuracy_int4)):
        found = registry.get(variant).load().predict(data.images[:_IMAGES], batch=50)
        right = float((found == data.labels[:_IMAGES]).double().mean())
        assert right >= accuracy - _SPREAD, variant
        assert accuracy >= (0.8 if name.endswith("htt") else 0.85), variant
    assert (result.accuracy_unmerged is None) == name.endswith("dense")
    count = costs(recipe.layers, recipe.timesteps)
    assert (result.parameters, result.macs) == (count.parameters, count.macs)


def test_variants_compute_the_same_function_about():
    """Unmerged or of 4 bits, the logits are close to those of the committed network."""
    data = tt_snn.get("tt_digits_ptt").load_test()
    logits = {name: registry.get(f"tt_digits_ptt{name}").load().run(data.images[:100]).logits
              for name in ("", "_unmerged", "_int4")}
    scaled = {name: (x / x.double().std()).flatten() for name, x in logits.items()}
    for name in ("_unmerged", "_int4"):
        both = torch.stack([scaled[""], scaled[name]])
        assert float(torch.corrcoef(both)[0, 1]) > 0.8, name


def test_three_seeds_were_measured(measured):
    assert [(result.name, result.seed) for result in measured] == [
        (name, seed) for name in tt_snn.NETWORKS for seed in (1, 2, 3)]
    for name in tt_snn.NETWORKS:
        images = tt_snn.get(name).load_test().images
        assert all(result.images == len(images) for result in measured if result.name == name)


def test_command_shows_what_was_measured(capsys):
    tt_snn.app(["show"], result_action="return_value")
    shown = capsys.readouterr().out
    assert all(name in shown for name in tt_snn.NETWORKS)
