# SPDX-License-Identifier: Apache-2.0
"""Broken designs of the training core."""

from .mutants import NET, Mutant
from .train_traffic import CONFIG

__all__ = ["MUTANTS"]

_RUN = "matches_golden/number=0/pauses=0.0"

MUTANTS: dict[str, Mutant] = {
    "currents_clamped_to_8_bits": Mutant(
        unit="rescaler", module="", config=CONFIG, killed_by="matches_golden/pauses=0.0",
        pattern=r"wide \? 15'h7fff :", replacement="1'h0 ? 15'h7fff :"),
    "counts_of_the_image_before": Mutant(
        unit="train_core", module="datapath.neurons", config=CONFIG, killed_by=_RUN,
        pattern=rf"fresh <= {NET};", replacement="fresh <= 1'h0;"),
    "gradients_not_cleared": Mutant(
        unit="train_core", module="datapath.updater", config=CONFIG, killed_by=_RUN,
        pattern=r"store_0__clear = 1'h1;", replacement="store_0__clear = 1'h0;"),
    "middle_cores_out_of_step": Mutant(
        unit="train_core", module="datapath", config=CONFIG, killed_by=_RUN,
        pattern=rf"(assign \\lag\$\d+ +=) {NET} \? 5'h01 : settings\[\d+:\d+\];",
        replacement=r"\1 5'h00;"),
}
