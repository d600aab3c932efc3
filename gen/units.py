# SPDX-License-Identifier: Apache-2.0
"""The units that Spikeloom emits, by the name of their Verilog module."""

import difflib
from collections.abc import Iterable

from amaranth.lib import wiring

from ..rtl.config import ConfigError
from ..rtl.ftp.compressor import Compressor
from ..rtl.ftp.decompressor import Decompressor
from ..rtl.ftp.ftp_array import FTPArray
from ..rtl.ftp.inner_join import InnerJoin
from ..rtl.ftp.plif import ParallelLIF
from ..rtl.ftp.prefix_sum import PrefixSumFast, PrefixSumLaggy
from ..rtl.ftp.tppe import TPPE
from ..rtl.pe.element import Element
from ..rtl.pe.spiking_array import SpikingArray
from ..rtl.soc.accelerator import Accelerator
from ..rtl.soc.chunk_writer import ChunkWriter
from ..rtl.soc.csr import CSR
from ..rtl.soc.post_processor import PostProcessor
from ..rtl.soc.spike_loader import SpikeLoader
from ..rtl.soc.weight_loader import WeightLoader

__all__ = ["ARRAY_UNITS", "UNITS", "check_unit", "unit_type"]

UNITS: dict[str, type[wiring.Component]] = {
    "prefix_sum_fast": PrefixSumFast,
    "prefix_sum_laggy": PrefixSumLaggy,
    "inner_join": InnerJoin,
    "tppe": TPPE,
    "plif": ParallelLIF,
    "compressor": Compressor,
    "decompressor": Decompressor,
    "ftp_array": FTPArray,
    "csr": CSR,
    "weight_loader": WeightLoader,
    "chunk_writer": ChunkWriter,
    "post_processor": PostProcessor,
    "spike_loader": SpikeLoader,
    "accelerator": Accelerator,
}
ARRAY_UNITS: dict[str, type[wiring.Component]] = {  # those that take an `ArrayConfig`
    "element": Element,
    "spiking_array": SpikingArray,
}


def unit_type(name: str) -> type[wiring.Component]:
    """Return the component of unit ``name``."""
    return (UNITS | ARRAY_UNITS)[name]


def check_unit(name: str, units: Iterable[str] = UNITS) -> None:
    """Raise `ConfigError` unless ``name`` is one of ``units``."""
    units = list(units)
    if name not in units:
        near = difflib.get_close_matches(name, units, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"no unit {name!r}{hint}; there are {', '.join(units)}")
