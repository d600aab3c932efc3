# SPDX-License-Identifier: Apache-2.0
"""What reuse costs and saves: counted by hand on a small network, and the choice of encoders."""

from dataclasses import replace

import pytest

from spikeloom.gen.trex.choice import TargetError, choose, fewest_reuses, likeness, patterns
from spikeloom.gen.trex.costs import DEFAULT_COSTS, CostError, evaluate, load_costs
from spikeloom.gen.trex.events import workload
from spikeloom.gen.trex.published import PUBLISHED
from spikeloom.models.golden.vit_shape import VitShape
from spikeloom.rtl.config import CrossbarConfig

MACRO = CrossbarConfig()  # 64 rows, 8 outputs of 8 columns, 8 ADCs
SMALL = VitShape(pattern="A", tokens=3, channels=16, heads=2, hidden=80, features=70, classes=9)


def test_counts_by_hand():
    work = workload(SMALL, MACRO)
    # macros: embed 2x2, query key value 1x6, projection 1x2, expand 1x10, contract 2x2, head 1x2
    assert work.macros == 4 + 6 + 2 + 10 + 4 + 2
    assert work.events["crossbar_read"] == 8 * (3 * (4 + 6 + 2 + 10 + 4) + 2)
    columns = 3 * (2 * 16 + 48 + 16 + 80 + 2 * 16) + 9
    assert work.events["adc_conversion"] == 8 * 8 * columns
    assert work.events["dynamic_mac"] == 2 * 3 * 3 * 16 and work.events["kv_write_byte"] == 96
    assert work.events["softmax_element"] == 2 * 3 * 3 and work.events["norm_element"] == 96
    assert work.events["gelu_element"] == 240 and work.events["add"] == 96
    assert work.events["reuse_byte"] == 0
    static = 3 * (70 * 16 + 4 * 16 * 16 + 2 * 16 * 80) + 16 * 9
    assert work.macs == static + 288
    assert (work.kv_bytes, work.buffer_bytes) == (96, 96 + 240)


def test_encoders_that_reuse_have_no_attention():
    count = {kind: workload(replace(SMALL, pattern="A" + kind), MACRO) for kind in "ARCS"}
    assert {kind: work.events["dynamic_mac"] for kind, work in count.items()} == {
        "A": 576, "R": 288, "C": 288, "S": 288}
    assert {kind: work.events["reuse_byte"] for kind, work in count.items()} == {
        "A": 0, "R": 96, "C": 96, "S": 0}
    assert {kind: work.macros for kind, work in count.items()} == {
        "A": 50, "R": 44, "C": 42, "S": 42}
    assert count["R"].buffer_bytes - count["S"].buffer_bytes == 48


def test_cost_by_hand():
    costs = load_costs()
    cost = evaluate(SMALL, MACRO, costs)
    value = {name: entry.value for name, entry in costs.picojoules.items()}
    work = workload(SMALL, MACRO)
    assert cost.energy_pj["adc_conversion"] == work.events["adc_conversion"] * value[
        "adc_conversion"]
    assert cost.energy_pj["dynamic_read_byte"] == pytest.approx(2 * 288 / 32 * 1.25)
    reads = 8 * (3 * 5 + 1)  # of stages: five for each token, and the head
    assert cost.delay_ns["static products"] == reads * (10 + 8 * 7)
    assert cost.delay_ns["dynamic products"] == 288 / 1024
    assert cost.area_um2["ADCs"] == pytest.approx(28 * 8 * (580 + 45.9 + 60))
    assert cost.edap == cost.energy * cost.delay * cost.area
    assert cost.tops_per_mm2() == pytest.approx(
        2 * work.macs / (cost.delay * 1e-9) / (cost.area * 1e-6) / 1e12)
    assert cost.tops_per_mm2(2 * work.macs) == pytest.approx(2 * cost.tops_per_mm2())


def test_shared_attention_saves_area_alone():
    costs, shape = load_costs(), replace(SMALL, pattern="AAR")
    own, shared = (evaluate(shape, MACRO, costs.replaced(shared_attention=flag))
                   for flag in (0.0, 1.0))
    assert own.area_um2["dynamic arrays"] == 2 * shared.area_um2["dynamic arrays"]
    assert (own.energy, own.delay) == (shared.energy, shared.delay)


def test_patterns():
    assert list(patterns(4, 0)) == ["AAAA"]
    assert list(patterns(3, 1)) == ["ARA", "AAR"]
    assert sum(len(list(patterns(6, reuses))) for reuses in range(6)) == 2 ** 5


def test_fewest_reuses_meet_the_target():
    costs, shape = load_costs(), replace(SMALL, pattern="AAAA")
    delays = [evaluate(replace(shape, pattern=next(patterns(4, reuses))), MACRO, costs).delay
              for reuses in range(4)]
    assert delays == sorted(delays, reverse=True)
    for reuses, delay in enumerate(delays):
        assert fewest_reuses(shape, MACRO, costs, delay) == reuses
    assert fewest_reuses(shape, MACRO, costs, delays[1] + 0.1) == 1
    with pytest.raises(TargetError, match=r"delay must be at least \d+ ns, not 1"):
        fewest_reuses(shape, MACRO, costs, 1.0)


def test_choice():
    costs, shape = load_costs(), replace(SMALL, pattern="AAAA")
    delay = evaluate(replace(shape, pattern="AARR"), MACRO, costs).delay
    similar = [[1, .9, .1, .2], [.9, 1, .3, .4], [.1, .3, 1, .5], [.2, .4, .5, 1]]
    assert likeness("AARR", similar) == pytest.approx((.3 + .4) / 2)
    assert likeness("ARAR", similar) == pytest.approx((.9 + .5) / 2)
    found = choose(shape, MACRO, costs, delay, {}, similar)
    assert found.pattern == "ARAR" and sorted(found.candidates) == ["AARR", "ARAR", "ARRA"]
    assert choose(shape, MACRO, costs, delay, {"AARR": 0.9, "ARRA": 0.8}).candidates == [
        "AARR", "ARRA", "ARAR"]
    assert found.cost.delay <= delay


def test_many_encoders_are_ranked_by_likeness():
    shape, costs = replace(SMALL, pattern="A" * 8), load_costs()
    similar = [[0.99 if {row, column} == {4, 5} else 1 / (1 + abs(row - column))
                for column in range(8)] for row in range(8)]
    one = evaluate(replace(shape, pattern="AAAAAAAR"), MACRO, costs).delay
    assert choose(shape, MACRO, costs, one, {}, similar).pattern == "AAAAARAA"


def test_published_networks():
    """Counted as the geometry says, and in the range of the paper with reuse of most encoders."""
    deit, lv_vit = PUBLISHED
    costs = load_costs()
    encoder = 197 * (4 * 384**2 + 2 * 384 * 1536) + 2 * 197**2 * 384
    assert workload(deit.shape, MACRO).macs == 197 * 768 * 384 + 12 * encoder + 384 * 1000
    for network in (deit, lv_vit):
        base = evaluate(network.shape, MACRO, costs)
        ratios = []
        for reuses in range(1, len(network.shape.pattern)):
            pattern = next(patterns(len(network.shape.pattern), reuses))
            cost = evaluate(replace(network.shape, pattern=pattern), MACRO, costs)
            ratios.append((base.edap / cost.edap,
                           cost.tops_per_mm2(base.macs) / base.tops_per_mm2()))
        assert ratios == sorted(ratios) and 1 < ratios[0][0] < network.edap < ratios[-1][0]
        assert ratios[0][1] < network.tops < ratios[-1][1]


@pytest.mark.parametrize("old, new, text", [
    ("[count]", "[counts]", "unknown field `counts`"),
    ("dynamic_mac =", "dynamic_macs =", "picojoules.dynamic_mac"),
    ("value = 1.26", "value = -1.26", "picojoules.adc_conversion must be 0 or more, not -1.26"),
    ("value = 1.26", "value = 'a'", "Expected `float`"),
])
def test_bad_tables_are_refused(old, new, text, tmp_path):
    path = tmp_path / "costs.toml"
    path.write_text(DEFAULT_COSTS.read_text().replace(old, new))
    with pytest.raises(CostError, match=text):
        load_costs(path)
