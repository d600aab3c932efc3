# SPDX-License-Identifier: Apache-2.0
"""Broken designs of the attention unit and of the pooling of residuals."""

from ..rtl.soc.descriptor import descriptor_layout, source_layout
from .mutants import NET, Mutant
from .unit_configs import odd_config

__all__ = ["MUTANTS"]

_ATTENTION, _POOL = odd_config("attention_array"), odd_config("residual_pool")
_PIXELS = descriptor_layout()["sources"].offset + source_layout()["pass_pitch"].offset
_FAST = "matches_golden/gaps=0.0/stalls=0.0"

MUTANTS: dict[str, Mutant] = {
    "sums_of_the_layer_before": Mutant(
        unit="attention_array", module="core", config=_ATTENTION, killed_by=_FAST,
        pattern=rf"assign clear_end = {NET} & {NET};", replacement="assign clear_end = 1'h1;"),
    "results_overwritten": Mutant(
        unit="attention_array", module="results", config=_ATTENTION, killed_by="holds_results",
        pattern=rf"assign free = {NET} != 2'h2;", replacement="assign free = 1'h1;"),
    "head_taken_for_token": Mutant(
        unit="attention_array", module="core.lister", config=_ATTENTION, killed_by=_FAST,
        pattern=rf"(assign token_end = {NET}) & {NET};", replacement=r"\1;"),
    "last_tile_as_others": Mutant(
        unit="residual_pool", module="walker", config=_POOL, killed_by=_FAST,
        pattern=rf"(assign {NET} = {NET}) > layer\[{_PIXELS + 31}:{_PIXELS}\];",
        replacement=r"\1 > 32'hffffffff;"),
    "largest_is_unsigned": Mutant(
        unit="residual_pool", module="", config=_POOL, killed_by=_FAST,
        pattern=r"\$signed\((pooled\[\d+:0\])\) >= \$signed\((residuals\[\d+:0\])\)",
        replacement=r"\1 >= \2"),
}
