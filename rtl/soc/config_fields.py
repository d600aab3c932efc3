# SPDX-License-Identifier: Apache-2.0
"""What each field of the accelerator's configuration is, for those who read its registers."""

from ..config import ENCODINGS, INNER_JOINS, MEMORIES, PES

__all__ = ["FIELD_MEANINGS", "NAMED_VALUES"]

FIELD_MEANINGS = {
    "timesteps": "Bits of a lane word, T",
    "chunk": "Positions of one bitmask, C",
    "weight_bits": "Bits of a weight",
    "tppes": "Processing elements, P",
    "inner_join": "Kind of the inner join",
    "laggy_adders": "Positions per cycle of the laggy prefix sum, A",
    "match_fifo_depth": "Matched positions between fast and laggy path",
    "beat_values": "Values in one beat of a fiber stream, V",
    "max_fan_in": "Longest fiber in positions, K",
    "column_fifo_depth": "Weight chunks waiting in each TPPE",
    "counter_bits": "Bits of the performance counters of a layer",
    "guard_bits": "More bits of a psum, for sums of bit planes",
    "pe": "Kind of the processing elements",
    "rows_per_pe": "Rows that one processing element computes, r",
    "probes": "Weights that scan and bcast look up per cycle, b",
    "hit_fifo_depth": "Weights found that wait in each bank of scan and bcast",
    "memory": "Where the program image is",
    "memory_bits": "Bits of a memory word, W",
    "memory_words": "Words of the memory inside",
    "burst_words": "Words of the longest burst",
    "fetch_depth": "Spike chunks requested ahead",
    "weight_buffer_beats": "Beats in the weight buffer",
    "max_columns": "Output channels computed from one weight block",
    "requantize": "1: with multipliers for requantization and residuals",
    "crossbar": "1: with crossbars, which the registers from here on tell about",
    "crossbar.rows": "Wordlines of a crossbar, R",
    "crossbar.columns": "Bitlines of a crossbar",
    "crossbar.cell_bits": "Bits that a cell stores, b",
    "crossbar.on_off": "Conductance of the highest level over that of level 0",
    "crossbar.fraction_bits": "Fraction bits of a level, F",
    "crossbar.weight_bits": "Bits of a weight",
    "crossbar.encoding": "How cells encode signed weights",
    "crossbar.adc_bits": "Bits of an ADC",
    "crossbar.adc_shift": "Logarithm of a step of the ADC in conductance units",
    "crossbar.columns_per_adc": "Columns that share an ADC, M",
    "crossbar.noise_bits": "Coins of one sample of read noise",
    "crossbar.noise_shift": "Logarithm of two coins in conductance units",
    "crossbar.noise_seed": "Seed of the read noise",
    "crossbar.pulse_bits": "Bits of the amplitude of a programming pulse",
    "crossbar.pulse_loss": "A pulse falls short by its amplitude shifted right by this",
    "crossbar.max_pulses": "Most programming pulses of a cell",
    "crossbar.tiles": "Crossbars whose sums are added up",
    "crossbar.timesteps": "Bits of a lane word, T",
    "crossbar.beat_values": "Lane words in one beat, V",
    "crossbar.neurons": "Membranes of an engine on its own",
    "crossbar.counter_bits": "Bits of the counters of programming",
}
NAMED_VALUES = {  # of fields that are names: what 0, 1, ... stand for
    "inner_join": INNER_JOINS, "memory": MEMORIES, "pe": PES, "crossbar.encoding": ENCODINGS,
}
