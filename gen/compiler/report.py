# SPDX-License-Identifier: Apache-2.0
"""What a compiled network amounts to, or why it does not fit: as a table and as JSON."""

from typing import Any

from rich import box
from rich.table import Table

from ...models.golden.layer import IntegerLayer
from .compile import assemble
from .errors import CompileError
from .layer_plan import LayerPlan
from .plan import NetworkPlan
from .predict import predict_encode, predict_layer

__all__ = ["check_report", "check_table"]

_FORMATS = {"crossbar": "cells", "attention": "none", "residual_pool": "none"}


def check_report(plan: NetworkPlan, images: int = 1) -> dict[str, Any]:
    """Return what is known of each layer, and of the whole; plain values for JSON."""
    refusals = [_refusal(error) for error in plan.refusals]
    report: dict[str, Any] = {
        "network": plan.network.name, "config_hash": plan.config.hash(), "fits": False,
        "layers": [_layer_entry(layer, plan, refusals) for layer in plan.network.layers],
        "refusals": refusals,
    }
    if refusals:
        return report
    try:
        manifest = assemble(plan, images).manifest
    except CompileError as error:
        refusals.append(_refusal(error))
        return report
    encode = predict_encode(plan.image, plan.config) if plan.image else 0
    word_bytes = plan.config.memory_bits // 8
    return report | {
        "fits": True,
        "program_bytes": manifest.program_words * word_bytes,
        "memory_bytes": manifest.memory_words * word_bytes,
        "maps_kept": manifest.kept,
        "predicted_cycles": encode + sum(x["predicted_cycles"] for x in report["layers"]),
    }


def check_table(report: dict[str, Any]) -> Table:
    """Return the report as a table; cycles are predictions, not measurements."""
    table = Table(title=report["network"], box=box.SIMPLE, padding=0,
                  caption="input: spikes, or bit planes in lane passes; format: a bitmask, a list "
                          "with so many bits of a delta, cells of crossbars, or none; psum bits: "
                          "needed/built; cycles: predicted, not measured")
    for name in ("layer", "input", "weights", "format"):
        table.add_column(name)
    for name in ("words", "tiles", "psum bits", "map bytes", "zeros", "cycles"):
        table.add_column(name, justify="right")
    for layer in report["layers"]:
        if "refused" in layer:
            table.add_row(layer["name"], "[red]refused[/red]")
            continue
        table.add_row(
            layer["name"], layer["inputs"], layer["way"], _format(layer),
            f"{layer['weight_words']:,}", f"{layer['tiles']:,}",
            f"{layer['psum_bits']}/{layer['psum_limit']}", f"{layer['map_bytes']:,}",
            f"{layer['sparsity']:.1%}", f"{layer['predicted_cycles']:,}")
    return table


def _refusal(error: CompileError) -> dict[str, Any]:
    return {"layer": error.layer, "field": error.field, "limit": error.limit,
            "value": str(error.value), "hint": error.hint, "message": str(error)}


def _layer_entry(layer, plan: NetworkPlan, refusals: list[dict[str, Any]]) -> dict[str, Any]:
    if layer.name not in plan.layers:
        reasons = [x["message"].partition(": ")[2] for x in refusals if x["layer"] == layer.name]
        return {"name": layer.name, "refused": reasons[0] if reasons else
                "shares residuals with a layer that is refused"}
    planned = plan.layers[layer.name]
    low, high = planned.psum_range
    return {
        "name": layer.name, "inputs": _inputs(planned), "way": _way(planned),
        "engine": plan.config.pe if planned.engine == "elements" else planned.engine,
        "lane_passes": planned.passes, "blocks": planned.order.blocks,
        "block_columns": planned.order.block_columns, "tiles": planned.order.tiles,
        "stream_weights": planned.stream_weights,
        "psum_bits": max((high if high >= 0 else ~high).bit_length(),
                         (low if low >= 0 else ~low).bit_length()) + 1,
        "psum_limit": plan.config.psum_bits, "psum_range": [low, high],
        "delta_bits": planned.weights.delta_bits, "weight_words": planned.weight_words,
        "weight_bytes": planned.weight_words * plan.config.memory_bits // 8,
        "map_bytes": (planned.map.words if planned.map else 0) * plan.config.memory_bits // 8,
        "sparsity": layer.sparsity if isinstance(layer, IntegerLayer) else 0.0,
        "predicted_cycles": predict_layer(planned, plan.config),
    }


def _inputs(plan: LayerPlan) -> str:
    return f"bits x{plan.passes}" if plan.input_bits else (
        "residuals" if plan.pooled else "spikes")


def _format(layer: dict[str, Any]) -> str:
    if layer["engine"] in _FORMATS:
        return _FORMATS[layer["engine"]]
    return "bitmask" if layer["delta_bits"] is None else f"list {layer['delta_bits']}"


def _way(plan: LayerPlan) -> str:
    if plan.stream_weights:
        return "streamed"
    return "resident" if plan.order.blocks == 1 else f"{plan.order.blocks} blocks"
