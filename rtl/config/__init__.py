# SPDX-License-Identifier: Apache-2.0
"""Hardware parameters and their checks: pure data, imports neither amaranth nor torch."""

from .accelerator import MEMORIES, AcceleratorConfig, beat_slot_bits
from .attention import ATTENTION_ORDERS, AttentionConfig
from .base import Config
from .checks import ConfigError
from .element import LOOKUP_PES, PES, ArrayConfig, ElementConfig
from .ftp import INNER_JOINS, FTPConfig
from .imc import ENCODINGS, NOISE_STATE_BITS, AnalogTiming, CrossbarConfig
from .limits import LimitsConfig
from .link import LinkConfig
from .train import TrainConfig
from .ttfs import TTFS_KERNELS, TTFSConfig
from .vit import VitConfig, VitCoreConfig

__all__ = ["ATTENTION_ORDERS", "ENCODINGS", "INNER_JOINS", "LOOKUP_PES", "MEMORIES",
           "NOISE_STATE_BITS", "PES", "TTFS_KERNELS", "AcceleratorConfig", "AnalogTiming",
           "ArrayConfig", "AttentionConfig", "Config", "ConfigError", "CrossbarConfig",
           "ElementConfig", "FTPConfig", "LimitsConfig", "LinkConfig", "TTFSConfig", "TrainConfig",
           "VitConfig", "VitCoreConfig", "beat_slot_bits"]
