# SPDX-License-Identifier: Apache-2.0
"""The networks of the TT-SNN paper, with the ranks that its authors published, and their size.

D. Lee et al., "TT-SNN: tensor train decomposition for efficient spiking neural network training"
(2024). The ranks are those of the workload files of the authors' simulator, one for each 3x3
convolution of a block.
"""

from collections.abc import Iterator

import msgspec
from rich.table import Table

from ..nn.costs import Costs, costs
from ..nn.tensor_train import MODES
from .tt_layers import MsResNet

__all__ = ["CLAIMED", "NETWORKS", "RANKS", "Count", "counts", "notes", "table"]


def _stages(*blocks: int) -> tuple[tuple[int, int], ...]:
    return tuple((64 << stage, 2 if stage and not block else 1)
                 for stage, count in enumerate(blocks) for block in range(count))


NETWORKS = {
    "ms_resnet18": MsResNet(inputs=3, side=32, stem=64, blocks=_stages(2, 2, 2, 2), classes=10,
                            timesteps=4),
    "ms_resnet34": MsResNet(inputs=2, side=48, stem=64, blocks=_stages(3, 4, 6, 3), classes=101,
                            timesteps=6, frames=True),
}
RANKS = {
    "ms_resnet18": (24, 27, 25, 29, 37, 45, 43, 41, 65, 74, 70, 63, 104, 153, 186, 145),
    "ms_resnet34": (24, 23, 22, 17, 16, 12, 22, 31, 25, 25, 24, 21, 20, 19, 48, 79, 64, 69, 63, 69,
                    60, 65, 63, 63, 62, 58, 121, 170, 173, 147, 161, 108),
}
CLAIMED = {"parameters": 7.98, "macs": 9.25}  # times fewer, of ms_resnet34 on N-Caltech101


class Count(msgspec.Struct, kw_only=True, frozen=True):
    """Size of a network, and how many times smaller it is than the dense one.

    Multiply-accumulates are counted in three ways, see `nn.costs.costs`.
    """

    network: str
    mode: str
    parameters: int
    parameter_ratio: float
    macs: dict[str, int]
    mac_ratios: dict[str, float]


_WAYS = ("output", "pooled", "cores")


def counts() -> Iterator[Count]:
    """Count each network in each mode."""
    for name, shape in NETWORKS.items():
        dense = costs(shape.layers(), shape.timesteps)
        yield _count(name, "dense", dense, dict.fromkeys(_WAYS, dense))
        for mode in MODES:
            layers = shape.layers(mode, RANKS[name])
            yield _count(name, mode, dense, {way: costs(layers, shape.timesteps, way)  # type: ignore
                                             for way in _WAYS})


def _count(name: str, mode: str, dense: Costs, found: dict[str, Costs]) -> Count:
    parameters = found["output"].parameters
    return Count(network=name, mode=mode, parameters=parameters,
                 parameter_ratio=dense.parameters / parameters,
                 macs={way: cost.macs for way, cost in found.items()},
                 mac_ratios={way: dense.macs / cost.macs for way, cost in found.items()})


def table(found: list[Count]) -> Table:
    """Return the sizes as a table."""
    result = Table(title="Parameters and multiply-accumulates (MACs over all timesteps)")
    for column in ("network", "mode", "parameters", "ratio",
                   *(text for way in _WAYS for text in (f"MACs, {way}", "ratio"))):
        result.add_column(column, justify="left" if column in ("network", "mode") else "right")
    for count in found:
        cells = [text for way in _WAYS
                 for text in (f"{count.macs[way] / 1e9:.3f} G", f"{count.mac_ratios[way]:.2f}x")]
        result.add_row(count.network, count.mode, f"{count.parameters / 1e6:.3f} M",
                       f"{count.parameter_ratio:.2f}x", *cells)
    result.add_section()
    result.add_row("published", "ms_resnet34", "", f"{CLAIMED['parameters']:.2f}x", "",
                   f"{CLAIMED['macs']:.2f}x", "", "", "", "")
    return result


def notes() -> tuple[str, ...]:
    """Return why the numbers differ from one another."""
    return (
        "parameters: convolutions, shortcuts and the last layer; no norms. 7.98x is this count.",
        "output: each core of a strided layer has the size of the output. 9.25x is this count.",
        "pooled: each core has the size of the input, max-pooled behind: the authors' code.",
        "cores: the stride is in the middle cores: the networks here and their merged kernels.",
        "htt: G2 and G3 run in half of the timesteps; its kernels have the same parameters.",
    )
