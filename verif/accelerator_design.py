# SPDX-License-Identifier: Apache-2.0
"""The accelerator inside its free-running bench, as one design to simulate."""

import re
from pathlib import Path

from ..rtl.config import AcceleratorConfig
from .build import Design, module_ports
from .runner import emitted

__all__ = ["accelerator_design", "memory_inside", "memory_words"]

_OUTSIDE_BYTES = 1 << 26  # of a memory outside


def memory_words(config: AcceleratorConfig) -> int:
    """Return the words of the simulated memory."""
    if config.memory == "on_chip":
        return config.memory_words
    return _OUTSIDE_BYTES * 8 // config.memory_bits


def memory_inside(verilog: str, config: AcceleratorConfig) -> dict[str, str]:
    """Return where the memory inside is, as macros of the bench.

    Raises
    ------
    ValueError
        There is not exactly one array of the memory's shape in the Verilog, or it is not
        written at one place.
    """
    shape = re.compile(rf"  reg \[{config.memory_bits - 1}:0\] (\S+) "
                       rf"\[{config.memory_words - 1}:0\];")
    found = [(module.split("(", 1)[0], match[1], module)
             for module in re.split(r"^module ", verilog, flags=re.MULTILINE)
             for match in shape.finditer(module)]
    if len(found) != 1:
        raise ValueError(f"the Verilog must hold one array of {config.memory_words} words of "
                         f"{config.memory_bits} bits, not {len(found)}")
    name, array, body = found[0]
    parts = ["device", *name.strip().lstrip("\\").split(".")[1:]]
    path = "".join(f"\\{part} ." for part in parts)
    write = re.search(rf"if \((\w+)(?:\[0\])?\)\s+{re.escape(array)}\[(\w+)\]", body)
    if not write:
        raise ValueError(f"the Verilog must write the array {array} of module {name} at one place")
    return {"ACCELERATOR_MEMORY": f"{path}{array} ",
            "ACCELERATOR_WRITES": f"(|{path}{write[1]} )",
            "ACCELERATOR_WRITE_ADDRESS": f"{path}{write[2]} "}


def accelerator_design(config: AcceleratorConfig, verilog: str | None = None) -> Design:
    """Return the accelerator inside its bench.

    Parameters
    ----------
    verilog : str or None
        In place of the accelerator's own.
    """
    if verilog is None:
        verilog = emitted("accelerator", config)
    ports = module_ports(verilog, "accelerator")
    macros = {"ACCELERATOR_PORTS": ", ".join(f".{name}({name})" for name in ports)}
    if config.memory == "on_chip":
        macros |= memory_inside(verilog, config)
    parameters = {
        "WORD_BITS": config.memory_bits, "MEMORY_WORDS": memory_words(config),
        "LITE_ADDRESS_BITS": ports["s_axil_awaddr"].width,
    }
    if config.memory == "axi":
        parameters["AXI_ADDRESS_BITS"] = ports["m_axi_awaddr"].width
        parameters["AXI_ID_BITS"] = ports["m_axi_awid"].width if "m_axi_awid" in ports else 1
    here = Path(__file__).parent
    lines = [f"`define {name} {text}\n" for name, text in macros.items()]
    sources = [(here / name).read_text() for name in ("accelerator_bench.sv", "axi_memory.sv")]
    return Design(top="accelerator_bench", verilog="".join([*lines, *sources, verilog]),
                  arguments=tuple(f"-G{name}={value}" for name, value in parameters.items()))
