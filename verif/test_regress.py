# SPDX-License-Identifier: Apache-2.0
"""The command behind ``make regress``: every network of the zoo, and what makes it fail."""

import json
from pathlib import Path

import pytest

from spikeloom.gen.presets import preset_names
from spikeloom.models.zoo import statten
from spikeloom.models.zoo.registry import NETWORKS
from spikeloom.verif import regress, ttfs_sim, vit_run


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a function that runs all jobs with ``simulate(job) -> logits or None``."""

    def _run(simulate):
        def main(words):
            given = dict(zip(words[::2], words[1::2], strict=True))
            logits = simulate(given["--net"], given["--config"])
            if logits is None:
                return 1
            path = Path(given["--out"]) / f"{given['--net']}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"exact": True, "logits": logits, "cycles": 10,
                                        "accuracy": {"rtl": 1.0}}))
            return 0

        monkeypatch.setattr(regress.sim, "main", main)
        return regress.main(["--out", str(tmp_path)])

    return _run


def test_all_networks_and_presets_have_a_job():
    assert {job.network for job in regress.JOBS} == {
        *NETWORKS, *statten.NETWORKS, *ttfs_sim.committed(), *vit_run.committed()}
    assert {job.config for job in regress.JOBS} == {
        *preset_names("accelerator"), *preset_names("ttfs"), *preset_names("vit_core")}


def test_all_is_well(run):
    assert run(lambda network, config: [1, 2, 3]) == 0


def test_a_job_that_fails_fails_the_regression(run):
    assert run(lambda network, config: None if network == "vgg_fashion" else [1]) == 1


def test_presets_must_agree(run):
    assert run(lambda network, config: [1, 2, 4 if config == "tiny" else 3]) == 1
