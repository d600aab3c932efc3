# SPDX-License-Identifier: Apache-2.0
"""What is set at run time, and whether a core can do it."""

from functools import reduce
from operator import or_

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from ..config import TrainConfig
from .layouts import Mode, settings_layout

__all__ = ["ErrorCode", "Setting", "SettingsCheck", "raw_layout"]


class Setting(enum.Enum, shape=unsigned(5)):
    """Number of each 16-bit word that is set."""

    INPUTS = 0
    OUTPUTS = 1
    RANK = 2
    TIMESTEPS = 3
    HEIGHT = 4
    WIDTH = 5
    MODE = 6
    FULL_STEPS = 7     # bit t: all cores run at timestep t; of the mode HTT, else 0
    SHIFT_H = 8
    SHIFT_B = 9
    SHIFT_M = 10
    SHIFT_Y = 11
    THRESHOLD = 12
    RATE = 13
    READOUT = 14       # 1: the error of the spikes is the readout's
    POOL = 15          # side of its windows, as a power of two
    CLASSES = 16
    SHIFT_LOGITS = 17


class ErrorCode(enum.Enum, shape=unsigned(8)):
    """Why the core stopped."""

    NONE = 0
    INPUTS = 1
    OUTPUTS = 2
    RANK = 3
    TIMESTEPS = 4
    SIZE = 5           # of the image
    MODE = 6
    FULL_STEPS = 7
    SHIFT = 8
    THRESHOLD = 9
    RATE = 10
    POOL = 11
    CLASSES = 12
    LABEL = 13
    OVERFLOW = 14      # of a sum of gradients
    INSTRUCTION = 15


def raw_layout(config: TrainConfig) -> data.StructLayout:
    """Return the words as they were set.

    Members
    -------
    words : data.ArrayLayout(unsigned(16), 18)
        By `Setting`.
    """
    del config
    return data.StructLayout({"words": data.ArrayLayout(unsigned(16), len(Setting))})


class SettingsCheck(wiring.Component):
    """Check all that is set, and bring it into the form that units use.

    Latency: none. Throughput: in each cycle. Back-pressure: none. Reset: none.

    Parameters
    ----------
    config : TrainConfig

    Members
    -------
    raw : In(raw_layout(config))
        As set.
    o : Out(settings_layout(config))
        For units; only if there is no error.
    error : Out(unsigned(8))
        `ErrorCode`.
    """

    raw: data.View
    o: data.View
    error: Signal

    def __init__(self, config: TrainConfig):
        self.config = config
        super().__init__({"raw": In(raw_layout(config)), "o": Out(settings_layout(config)),
                          "error": Out(unsigned(8))})

    def elaborate(self, platform):
        m = Module()
        config, o = self.config, self.o
        raw = {setting: self.raw.words[setting.value] for setting in Setting}
        height, width = (raw[one][:config.max_pixels.bit_length()]
                         for one in (Setting.HEIGHT, Setting.WIDTH))
        pixels, windows = Signal(range((2 * config.max_pixels) ** 2)), Signal(
            range((2 * config.max_pixels) ** 2))
        every = Signal(16)
        pool = raw[Setting.POOL][:2]
        mask = Signal(3)
        mode = raw[Setting.MODE]
        htt, dense, readout = mode == Mode.HTT, mode == Mode.DENSE, raw[Setting.READOUT][0]
        m.d.comb += [
            pixels.eq(height * width), windows.eq((height >> pool) * (width >> pool)),
            every.eq((1 << raw[Setting.TIMESTEPS][:5]) - 1), mask.eq((1 << pool) - 1)]
        full, steps = raw[Setting.FULL_STEPS], raw[Setting.TIMESTEPS]
        allowed = ((Mode.STT, Mode.DENSE) if config.single_array else
                   (Mode.STT, Mode.PTT, Mode.HTT))

        def outside(setting: Setting, low: int, high: int):
            beyond = raw[setting] > high
            return beyond | (raw[setting] < low) if low else beyond

        checks = {
            "INPUTS": outside(Setting.INPUTS, 1, config.max_inputs),
            "OUTPUTS": outside(Setting.OUTPUTS, 1, config.max_outputs),
            "RANK": outside(Setting.RANK, 1, config.max_rank),
            "TIMESTEPS": outside(Setting.TIMESTEPS, 1, config.max_timesteps),
            "SIZE": outside(Setting.HEIGHT, 1, config.max_pixels)
            | outside(Setting.WIDTH, 1, config.max_pixels) | (pixels > config.max_pixels),
            "MODE": ~reduce(or_, (mode == one for one in allowed)),
            "FULL_STEPS": Mux(htt, (full == 0) | (full >= every), full != 0),
            "SHIFT": reduce(or_, (outside(one, 0, 15) for one in (
                Setting.SHIFT_H, Setting.SHIFT_B, Setting.SHIFT_M, Setting.SHIFT_Y)))
            | outside(Setting.SHIFT_LOGITS, 0, 31),
            "THRESHOLD": outside(Setting.THRESHOLD, 1, 16383),
            "RATE": outside(Setting.RATE, 1, 255),
            "POOL": outside(Setting.POOL, 0, 3) | outside(Setting.READOUT, 0, 1) | (readout & (
                ((height & mask) != 0) | ((width & mask) != 0) | (windows > config.max_windows)
                | ((steps[:5] << (pool << 1)) > 127))),
            "CLASSES": readout & outside(Setting.CLASSES, 1, config.max_classes),
        }
        for name, wrong in reversed(checks.items()):
            with m.If(wrong):
                m.d.comb += self.error.eq(ErrorCode[name])
        m.d.comb += [
            o.mode.eq(mode), o.inputs_last.eq(raw[Setting.INPUTS] - 1),
            o.outputs_last.eq(raw[Setting.OUTPUTS] - 1), o.rank_last.eq(raw[Setting.RANK] - 1),
            o.steps_last.eq(steps - 1), o.pixels.eq(pixels), o.height.eq(height),
            o.width.eq(width), o.full.eq(Mux(htt & ~dense, full, every)),
            o.shift_h.eq(raw[Setting.SHIFT_H]), o.shift_b.eq(raw[Setting.SHIFT_B]),
            o.shift_m.eq(raw[Setting.SHIFT_M]), o.shift_y.eq(raw[Setting.SHIFT_Y]),
            o.threshold.eq(raw[Setting.THRESHOLD]), o.rate.eq(raw[Setting.RATE]),
            o.pool.eq(pool), o.windows_last.eq(windows - 1),
            o.classes_last.eq(raw[Setting.CLASSES] - 1),
            o.shift_logits.eq(raw[Setting.SHIFT_LOGITS]), o.per_window.eq(readout),
        ]
        return m
