# SPDX-License-Identifier: Apache-2.0
"""Broken designs of the elements that look weights up, and of the array of them."""

from .mutants import NET, ZERO, Mutant
from .unit_configs import odd_config

__all__ = ["MUTANTS"]

_ELEMENT, _ARRAY = odd_config("element"), odd_config("lookup_array")

MUTANTS: dict[str, Mutant] = {
    "hit_queue_overrun": Mutant(
        unit="element", module="queue", config=_ELEMENT, count=2,
        pattern=r"(= \\?level(?:\$\d+ )?) <= 1'h1;", replacement=r"\1 <= 2'h3;"),
    "sum_of_former_column": Mutant(
        unit="element", module="accumulator", config=_ELEMENT, count=5,
        pattern=rf"= {NET} (\? \\\$signature__data\$\d+ ) : {ZERO};",
        replacement=r"= 1'h1 \1 : 40'h0;"),
    "weight_behind_the_rows": Mutant(
        unit="element", module="store", config=_ELEMENT, count=2, bench="tb_element_errors",
        killed_by="place_beyond_the_rows",
        pattern=rf"assign (beyond\[\d\]) = {NET};", replacement=r"assign \1 = 1'h0;"),
    "column_overwritten": Mutant(
        unit="lookup_array", module="sorter", config=_ARRAY,
        pattern=rf"(assign i__ready = {NET}) & {NET};", replacement=r"\1;"),
    "last_result_too_late": Mutant(
        unit="lookup_array", module="sorter", config=_ARRAY,
        pattern=r"if \(write__en && [^\n]*\n[^\n]*;", replacement=""),
    "rows_of_another_tile": Mutant(
        unit="lookup_array", module="sorter", config=_ARRAY,
        pattern=r"(rows\[\{ )(oldest,)", replacement=r"\1~\2"),
    "row_of_no_tile": Mutant(
        unit="lookup_array", module="balancer", config=_ARRAY, bench="tb_lookup_array_errors",
        killed_by="row_index",
        pattern=rf"(assign {NET} = beat\[\d+:\d+\]) == ({NET};)", replacement=r"\1 >= \2"),
}
