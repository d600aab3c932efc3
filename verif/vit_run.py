# SPDX-License-Identifier: Apache-2.0
"""A vision transformer of the zoo, whole, on the RTL: ``python -m spikeloom.verif.vit_run``."""

from pathlib import Path

import cyclopts
from amaranth.back.verilog import convert
from torch import Tensor

from ..gen.presets import load_unit_config
from ..gen.trex.program import compile_vit
from ..models.golden.vit_network import VitNetwork
from ..models.golden.vit_network_file import save_vit
from ..models.zoo import trex
from ..rtl.config import VitCoreConfig
from ..rtl.vit.vit_core import VitCore
from .build import OUT, Design
from .crossbar_traffic import as_table
from .runner import Run, run_bench

__all__ = ["app", "run_network"]

app = cyclopts.App(name="python -m spikeloom.verif.vit_run", help=__doc__)


def run_network(network: VitNetwork, inputs: Tensor, config: VitCoreConfig) -> Path:
    """Run inputs on the core whose macros hold the network's weights; return the log.

    Raises
    ------
    ProgramError
        The network does not fit the core.
    BenchFailure
        A logit is wrong.
    """
    images = compile_vit(network, config).images
    core = VitCore(config, [as_table(image, config.crossbar).tolist() for image in images])
    verilog = "\n".join(convert(module, name=name, emit_src=False)
                        for name, module in (("vit_core", core), *core.shared.items()))
    path = OUT / "networks" / f"{network.name}.npz"
    save_vit(path, network)
    return run_bench(Run(
        unit="vit_core", config=config, bench="tb_vit_core",
        design=Design(top="vit_core", verilog=verilog),
        parameters={"network": str(path), "inputs": inputs.tolist()}))


@app.default
def main(name: str = "trex_recall_ARAR", *, inputs: int = 2, config: str = "vit_core") -> None:
    """Compare the logits of test inputs with the golden network.

    Parameters
    ----------
    name
        Of a network of the zoo.
    inputs
        How many.
    config
        Preset of the core.
    """
    recipe, hardware = trex.get(name), load_unit_config(config)
    if not isinstance(hardware, VitCoreConfig):
        raise SystemExit(f"preset {config}: family must be vit_core")
    log = run_network(recipe.load(), recipe.load_test().tokens[:inputs], hardware)
    print(f"{name}: logits of {inputs} inputs are exact, with and without stalls; see {log}")


if __name__ == "__main__":
    app()
