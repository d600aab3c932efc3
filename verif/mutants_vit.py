# SPDX-License-Identifier: Apache-2.0
"""Broken designs of the units for vision transformers."""

from typing import Any

from ..rtl.vit.datapath import operands_layout
from ..rtl.vit.instructions import instruction_layout
from ..rtl.vit.layer_norm import affine_layout
from ..rtl.vit.softmax import score_layout
from .mutants import NET, Mutant, bits
from .random_vit import CONFIG
from .unit_configs import odd_config

__all__ = ["MUTANTS"]

_UNITS: Any = odd_config("layer_norm")
_BETA = bits(affine_layout(_UNITS), "beta")
_SCORE = bits(score_layout(_UNITS), "value")
_RELU = bits(instruction_layout(CONFIG), "relu")
_FIRST = rf"\[{operands_layout()['place'].offset + 32}\]"
_RUN = "matches_golden/pattern=AR/pool=mean/stalls=0.5"

MUTANTS: dict[str, Mutant] = {
    "mean_left_in_the_variance": Mutant(
        unit="layer_norm", module="", config=_UNITS, killed_by="covers_corners",
        pattern=r"= scaled - squared;", replacement="= scaled;"),
    "beta_without_sign": Mutant(
        unit="layer_norm", module="", config=_UNITS, killed_by="covers_corners",
        pattern=rf"\$signed\((i_affine__payload{_BETA})\)",
        replacement=r"$signed({ 1'h0, \1 })"),
    "highest_score_without_sign": Mutant(
        unit="softmax", module="", config=_UNITS, killed_by="covers_corners",
        pattern=rf"\$signed\((i__payload{_SCORE})\) > \$signed\((highest)\)",
        replacement=r"\1 > \2"),
    "half_of_a_probability_left_out": Mutant(
        unit="softmax", module="", config=_UNITS, killed_by="matches_golden/gaps=0.0/stalls=0.0",
        pattern=rf"= ({NET}) \+ {NET};", replacement=r"= \1;"),
    "result_that_waits_overwritten": Mutant(
        unit="gelu", module="", config=_UNITS,
        killed_by="matches_golden/gaps=0.0/stalls=0.5",
        pattern=rf"(assign i__ready =) {NET} \| o__ready;", replacement=r"\1 1'h1;"),
    "reuse_not_rectified": Mutant(
        unit="vit_core", module="datapath", config=CONFIG, killed_by=_RUN,
        pattern=rf"= instruction{_RELU} & {NET};", replacement="= 1'h0;"),
    "sum_of_the_last_product_kept": Mutant(
        unit="vit_core", module="datapath", config=CONFIG, killed_by=_RUN,
        pattern=rf"= \\i__payload\$\d+ {_FIRST} \? 32'd0 : total;", replacement="= total;"),
    "truncation_for_half_up": Mutant(
        unit="vit_core", module="datapath.rounder", config=CONFIG, killed_by=_RUN,
        pattern=rf"= \$signed\(({NET})\) \+ \$signed\(\{{ 1'h0, {NET} \}}\);",
        replacement=r"= $signed(\1);"),
}
