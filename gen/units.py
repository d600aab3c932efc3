# SPDX-License-Identifier: Apache-2.0
"""The units that Spikeloom emits, by the name of their Verilog module."""

import difflib
from dataclasses import dataclass

from amaranth.lib import wiring

from ..rtl.attention.attention_array import AttentionArray
from ..rtl.config import (
    AcceleratorConfig,
    ArrayConfig,
    Config,
    ConfigError,
    CrossbarConfig,
    LinkConfig,
    TrainConfig,
    TTFSConfig,
    VitConfig,
    VitCoreConfig,
)
from ..rtl.ftp.compressor import Compressor
from ..rtl.ftp.decompressor import Decompressor
from ..rtl.ftp.ftp_array import FTPArray
from ..rtl.ftp.inner_join import InnerJoin
from ..rtl.ftp.plif import ParallelLIF
from ..rtl.ftp.prefix_sum import PrefixSumFast, PrefixSumLaggy
from ..rtl.ftp.serial_lif import SerialLIF
from ..rtl.ftp.tppe import TPPE
from ..rtl.imc.adc import ADC
from ..rtl.imc.crossbar import Crossbar
from ..rtl.imc.crossbar_array import CrossbarArray
from ..rtl.imc.imc_core import IMCCore
from ..rtl.imc.imc_engine import IMCEngine
from ..rtl.imc.membrane_lif import MembraneLIF
from ..rtl.link.host_link import HostLink
from ..rtl.link.slip import SLIPDecoder, SLIPEncoder
from ..rtl.link.uart import UART
from ..rtl.pe.element import Element
from ..rtl.pe.lookup_array import LookupArray
from ..rtl.pe.spiking_array import SpikingArray
from ..rtl.soc.accelerator import Accelerator
from ..rtl.soc.cell_loader import CellLoader
from ..rtl.soc.chunk_writer import ChunkWriter
from ..rtl.soc.csr import CSR
from ..rtl.soc.post_processor import PostProcessor
from ..rtl.soc.residual_pool import ResidualPool
from ..rtl.soc.spike_loader import SpikeLoader
from ..rtl.soc.weight_loader import WeightLoader
from ..rtl.train.rescaler import Rescaler
from ..rtl.train.train_core import TrainCore
from ..rtl.ttfs.ttfs_core import TTFSCore
from ..rtl.ttfs.ttfs_neuron import TTFSNeuron
from ..rtl.vit.gelu import GELU
from ..rtl.vit.layer_norm import LayerNorm
from ..rtl.vit.softmax import Softmax
from ..rtl.vit.vit_core import VitCore

__all__ = ["FAMILIES", "UNITS", "Family", "check_unit", "family_of", "unit_type", "units_of"]


@dataclass(frozen=True)
class Family:
    """Units that share a kind of configuration.

    Parameters
    ----------
    config : type[Config]
        Their parameters.
    preset : str
        Name of the preset that they are usually built for.
    units : dict[str, type[wiring.Component]]
        By the name of the Verilog module.
    """

    config: type[Config]
    preset: str
    units: dict[str, type[wiring.Component]]


FAMILIES = {
    "accelerator": Family(AcceleratorConfig, "loas", {
        "prefix_sum_fast": PrefixSumFast,
        "prefix_sum_laggy": PrefixSumLaggy,
        "inner_join": InnerJoin,
        "tppe": TPPE,
        "plif": ParallelLIF,
        "serial_lif": SerialLIF,
        "compressor": Compressor,
        "decompressor": Decompressor,
        "ftp_array": FTPArray,
        "lookup_array": LookupArray,
        "csr": CSR,
        "weight_loader": WeightLoader,
        "cell_loader": CellLoader,
        "crossbar_array": CrossbarArray,
        "attention_array": AttentionArray,
        "residual_pool": ResidualPool,
        "chunk_writer": ChunkWriter,
        "post_processor": PostProcessor,
        "spike_loader": SpikeLoader,
        "accelerator": Accelerator,
    }),
    "array": Family(ArrayConfig, "array", {
        "element": Element,
        "spiking_array": SpikingArray,
    }),
    "crossbar": Family(CrossbarConfig, "crossbar", {
        "adc": ADC,
        "crossbar": Crossbar,
        "imc_engine": IMCEngine,
        "membrane_lif": MembraneLIF,
        "imc_core": IMCCore,
    }),
    "link": Family(LinkConfig, "link", {
        "uart": UART,
        "slip_decoder": SLIPDecoder,
        "slip_encoder": SLIPEncoder,
        "host_link": HostLink,
    }),
    "train": Family(TrainConfig, "train", {
        "rescaler": Rescaler,
        "train_core": TrainCore,
    }),
    "ttfs": Family(TTFSConfig, "ttfs", {
        "ttfs_neuron": TTFSNeuron,
        "ttfs_core": TTFSCore,
    }),
    "vit": Family(VitConfig, "vit", {
        "layer_norm": LayerNorm,
        "softmax": Softmax,
        "gelu": GELU,
    }),
    "vit_core": Family(VitCoreConfig, "vit_core", {
        "vit_core": VitCore,
    }),
}
UNITS = {name: unit for family in FAMILIES.values() for name, unit in family.units.items()}
_INNER_JOIN = ("prefix_sum_fast", "prefix_sum_laggy", "inner_join", "tppe", "ftp_array")
_LOOKUP = ("lookup_array",)  # units of an accelerator whose elements look weights up
_CROSSBAR = ("cell_loader", "crossbar_array")  # units of one with crossbars
_ATTENTION = ("attention_array",)  # units of one with attention
_RESIDUAL_POOL = ("residual_pool",)


def family_of(unit: str) -> Family:
    """Return the family of ``unit``, the accelerator's if it is a part of one without a name."""
    return next((family for family in FAMILIES.values() if unit in family.units),
                FAMILIES["accelerator"])


def unit_type(name: str) -> type[wiring.Component]:
    """Return the component of unit ``name``."""
    return UNITS[name]


def units_of(config: Config) -> list[str]:
    """Return the names of the units that hardware with ``config`` is made of."""
    family = next(family for family in FAMILIES.values() if family.config is type(config))
    if not isinstance(config, AcceleratorConfig):
        return list(family.units)
    others = (*(_INNER_JOIN if config.looks_up else _LOOKUP),
              *(() if config.crossbar else _CROSSBAR),
              *(() if config.attention else _ATTENTION),
              *(() if config.pools_residuals else _RESIDUAL_POOL))
    return [name for name in family.units if name not in others]


def check_unit(name: str, config: Config | None = None) -> None:
    """Raise `ConfigError` unless there is a unit ``name``, and if given ``config`` has it."""
    if name not in UNITS:
        near = difflib.get_close_matches(name, UNITS, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"no unit {name!r}{hint}; there are {', '.join(UNITS)}")
    if config is not None and name not in units_of(config):
        raise ConfigError(f"no unit {name!r} in this configuration; there are "
                          f"{', '.join(units_of(config))}")
