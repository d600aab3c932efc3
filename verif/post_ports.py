# SPDX-License-Identifier: Apache-2.0
"""The streams of the post-processor, for its bench."""

from typing import Any

from .bench import Bench
from .fibers import canonical
from .post_traffic import PostLayer, PostTraffic
from .streams import StreamSource

__all__ = ["INPUTS", "OUTPUTS", "QUIET", "Ports", "input_streams"]

INPUTS = ("i", "i_channel", "i_residual", "i_encoded")
OUTPUTS = ("o", "o_residual", "o_result")
QUIET = 60  # cycles in which nothing more may come


def input_streams(bench: Bench, pause: float = 0.0) -> dict[str, StreamSource]:
    """Return the drivers of all inputs."""
    return {name: bench.source(name, pause, burst=3) for name in INPUTS}


class Ports:
    """All streams of the unit, for some layers in turn."""

    def __init__(self, bench: Bench, inputs: float = 0.0, outputs: float = 0.0,
                 sources: dict[str, StreamSource] | None = None):
        self.bench = bench
        self.sources = sources or input_streams(bench, inputs)
        self.sinks = {name: bench.sink(name, outputs, burst=3) for name in OUTPUTS}

    async def run(self, layer: dict[str, Any], traffic: PostTraffic) -> None:
        """Run a layer alone and compare all that comes out."""
        bench = self.bench
        starts = {name: len(sink.cycles) for name, sink in self.sinks.items()}
        taken = {name: len(source.cycles) for name, source in self.sources.items()}
        bench.write("layer", layer)
        await bench.edge()
        for name, payloads in traffic.inputs.items():
            self.sources[name].put(payloads)
        for name, wanted in traffic.outputs.items():
            await self.sinks[name].take(starts[name] + len(wanted), timeout=20_000)
        await bench.edge(QUIET)
        for name, payloads in traffic.inputs.items():
            count = len(self.sources[name].cycles) - taken[name]
            assert count == len(payloads), f"{name} must take {len(payloads)}, not {count}"
        assert not bench.read("busy"), "busy must end when all has left"
        for name, wanted in traffic.outputs.items():
            found = self.sinks[name].values[starts[name]:]
            if name == "o":
                found, wanted = canonical(found), canonical(wanted)
            for number, (got, want) in enumerate(zip(found, wanted, strict=False)):
                assert got == want, f"{name} {number} must be {want}, not {got}"
            assert len(found) == len(wanted), f"{name} must have {len(wanted)}, not {len(found)}"

    async def run_layers(self, layers: list[PostLayer]) -> None:
        """Run layers one after another."""
        for layer in layers:
            await self.run(layer.descriptor(), PostTraffic.of(layer, self.bench.config))
