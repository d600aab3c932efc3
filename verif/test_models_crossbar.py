# SPDX-License-Identifier: Apache-2.0
"""The golden crossbar: ideal it is a matrix product, real it is what a scalar loop says."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.models.golden.adc import adc
from spikeloom.models.golden.conductance import Device, Image, cell_levels, make_image, make_images
from spikeloom.models.golden.crossbar import column_sums, crossbar
from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.imc_engine import IMCEngine, Reading
from spikeloom.models.golden.lane_word import unpack
from spikeloom.models.golden.programmer import program
from spikeloom.models.golden.read_noise import ReadNoise
from spikeloom.models.golden.shift_add import shift_add
from spikeloom.rtl.config import ENCODINGS, CrossbarConfig

REAL = Device(sigma=0.2, stuck_low=0.02, stuck_high=0.02, offset_sigma=20.0, seed=3)


def config_of(**fields):
    """Return a small macro whose ADC never clips."""
    values = dict(rows=16, columns=48, columns_per_adc=8, adc_bits=10, fraction_bits=4, adc_shift=4)
    return CrossbarConfig(**values | fields)


@st.composite
def configs(draw):
    shift = draw(st.integers(0, 4))
    cell_bits = draw(st.integers(1, 4 if shift else 2))
    return config_of(
        encoding=draw(st.sampled_from(ENCODINGS)), weight_bits=draw(st.integers(2, 8)),
        cell_bits=cell_bits, fraction_bits=4, adc_shift=4 if cell_bits > 2 else shift,
        on_off=draw(st.sampled_from([2, 10, 100])),
        columns_per_adc=draw(st.sampled_from([1, 2, 3, 16, 48])))


def draw_weights(config, rows, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    low, high = config.weight_limits
    weights = torch.randint(low, high + 1, (rows, columns), generator=generator)
    weights[torch.rand(weights.shape, generator=generator) < 0.2] = low
    weights[torch.rand(weights.shape, generator=generator) < 0.2] = high
    return weights


def draw_lines(config, reads, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(reads, config.rows, generator=generator) < torch.rand(
        reads, 1, generator=generator)


def products(lines, image, config, noise=None):
    codes = crossbar(lines, image, config, noise)
    return shift_add(codes, lines, image.negative, config)


@settings(deadline=None, max_examples=60)
@given(configs(), st.integers(0, 1 << 20))
def test_ideal_is_the_matrix_product(config, seed):
    weights = draw_weights(config, config.rows, config.outputs, seed)
    lines = draw_lines(config, 6, seed)
    lines[0], lines[1] = False, True
    image = make_image(weights, config)
    sums = column_sums(lines, image, config)
    if int(sums.max()) >> config.adc_shift >= 1 << config.adc_bits:
        return  # it would clip
    wanted = (lines.to(torch.int64) @ weights) << config.result_fraction_bits
    assert torch.equal(products(lines, image, config), wanted)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("fields", [
    {}, dict(cell_bits=1, columns_per_adc=16), dict(cell_bits=4, adc_shift=6, on_off=3),
    dict(adc_shift=2, adc_bits=6, noise_bits=4, noise_shift=3), dict(weight_bits=3, adc_bits=3)],
    ids=["wide", "one_bit", "coarse", "noise", "clipped"])
def test_tensors_are_the_scalar_loop(encoding, fields):
    config = config_of(encoding=encoding, **fields)
    weights = draw_weights(config, 13, config.outputs, 7)
    image = make_image(weights, config, REAL)
    lines = draw_lines(config, 5, 8)
    noise = ReadNoise(config, 2).draw(5)
    wanted = [[_scalar(lines[read], noise[read], image, config, n) for n in range(config.outputs)]
              for read in range(5)]
    assert products(lines, image, config, ReadNoise(config, 2)).tolist() == wanted


def _scalar(lines, noise, image, config, output):
    total, full = 0, 2**config.adc_bits - 1
    per_output = config.columns_per_output
    for unit in range(per_output):
        column = output * per_output + unit
        level = int(image.offsets[column]) + int(noise[column])
        for row in range(config.rows):
            if lines[row]:
                level += int(image.cells[row, column]) - config.g_min
        code = (level + 2**config.adc_shift // 2) // 2**config.adc_shift
        code = min(max(code, 0), full)
        sign = -1 if config.encoding == "differential" and unit >= per_output // 2 else 1
        place = unit % (per_output // 2) if config.encoding == "differential" else unit
        total += sign * code * 2**(config.cell_bits * place) * 2**config.code_shift
    counted = {"differential": 0, "offset": int(lines.sum()),
               "sign": int((lines & image.negative[:, output]).sum())}[config.encoding]
    return total - counted * 2**(config.weight_bits - 1 + config.result_fraction_bits)


@given(st.integers(-5000, 100_000), st.integers(3, 10), st.integers(0, 12))
def test_adc(value, bits, shift):
    code = int(adc(torch.tensor(value), bits, shift))
    exact = value / 2**shift
    if code == 0:
        assert exact < 0.5 or shift == 0 and value <= 0
    elif code == 2**bits - 1:
        assert exact >= code - 0.5
    else:
        assert code - 0.5 <= exact < code + 0.5


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_clipping_saturates(encoding):
    config = config_of(encoding=encoding, adc_bits=3)
    weights = torch.full((16, 1), config.weight_limits[1])
    codes = crossbar(torch.ones(1, 16, dtype=torch.bool), make_image(weights, config), config)
    used = weights.new_tensor(config.weight_limits[1])
    digits = [int(used) >> (config.cell_bits * k) & 3 for k in range(config.slices)]
    if encoding == "offset":
        digits = [int(used) + 128 >> (config.cell_bits * k) & 3 for k in range(config.slices)]
    assert codes[0, :config.slices].tolist() == [7 if digit else 0 for digit in digits]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_levels_are_digits_of_the_weight(encoding):
    config = config_of(encoding=encoding, weight_bits=8, cell_bits=2)
    levels = cell_levels(torch.tensor([[-128, 127], [5, -5]]), config)
    digits = levels[:2, :2 * config.columns_per_output].reshape(2, 2, -1, config.slices)
    values = (digits * torch.tensor([1, 4, 16, 64])).sum(-1)
    assert values.tolist() == {
        "differential": [[[0, 128], [127, 0]], [[5, 0], [0, 5]]],
        "offset": [[[0], [255]], [[133], [123]]],
        "sign": [[[0], [127]], [[5], [123]]]}[encoding]
    assert not levels[2:].any() or encoding == "offset"


def test_device_is_seeded_and_each_tile_another():
    config = config_of()
    weights = draw_weights(config, 16, config.outputs, 1)
    first, again, other = (make_image(weights, config, REAL, tile) for tile in (0, 0, 1))
    assert torch.equal(first.cells, again.cells) and torch.equal(first.offsets, again.offsets)
    assert not torch.equal(first.cells, other.cells)
    assert len(set(first.offsets[:8].tolist())) == 1, "columns of one ADC share its offset"


def test_stuck_cells():
    config = config_of()
    weights = draw_weights(config, 16, config.outputs, 1)
    highest = config.g_min + 3 * 16
    for device, value in ((Device(stuck_low=1.0), config.g_min),
                          (Device(stuck_high=1.0), highest)):
        assert set(make_image(weights, config, device).cells.flatten().tolist()) == {value}
    ideal, some = (make_image(weights, config, device).cells
                   for device in (None, Device(stuck_low=0.1, seed=4)))
    changed = ideal != some
    assert 0.02 < changed.double().mean() < 0.15 and set(some[changed].tolist()) == {config.g_min}


def test_noise_is_keyed_by_macro_read_and_column():
    config = config_of(noise_bits=8, noise_shift=2)
    whole = ReadNoise(config, 1).draw(40)
    parts = ReadNoise(config, 1)
    assert torch.equal(torch.cat([parts.draw(10), parts.draw(30)]), whole)
    assert not torch.equal(ReadNoise(config, 0).draw(40), whole)
    assert not ReadNoise(config_of(), 1).draw(3).any()
    values = whole.double() / 4
    assert whole.unique().tolist() == list(range(int(whole.min()), int(whole.max()) + 1, 4))
    assert abs(float(values.mean())) < 0.1 and 1.8 < float(values.var()) < 2.2
    table = torch.corrcoef(values.reshape(40, 6, 8).permute(1, 0, 2).reshape(6, -1))
    assert float((table - torch.eye(6)).abs().max()) < 0.25, "ADCs must be independent"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_engine_adds_up_tiles_and_lanes(encoding):
    config = config_of(encoding=encoding, tiles=3, timesteps=5)
    weights = draw_weights(config, 42, config.outputs, 5)
    words = torch.randint(0, 32, (4, 42), generator=torch.Generator().manual_seed(5))
    engine = IMCEngine(config, make_images(weights, config))
    spikes = unpack(words, 5).to(torch.int64)
    assert torch.equal(engine.run(words), spikes @ weights)
    assert torch.equal(engine.run(words, Reading(lanes=2)), spikes[:2] @ weights)
    assert torch.equal(engine.run(words, Reading(planes=True)), (words @ weights)[None])
    signed = words - (words >> 4 << 5)
    assert torch.equal(engine.run(words, Reading(planes=True, signed=True)),
                       (signed @ weights)[None])


def test_programming_reaches_every_target():
    config = config_of(pulse_bits=3, pulse_loss=1, max_pulses=40)
    generator = torch.Generator().manual_seed(1)
    present, target = torch.randint(0, 128, (2, 500), generator=generator)
    done = program(present, target, config)
    assert torch.equal(done.values, target) and not done.failures.any()
    assert torch.equal(done.verify_reads, done.pulses + 1)
    assert torch.equal(done.pulses == 0, present == target)
    short = program(present, target, config_of(pulse_bits=3, max_pulses=2))
    assert torch.equal(short.failures.bool(), short.values != target)
    assert int(short.pulses.max()) == 2 and short.failures.any()


def test_programming_by_hand():
    config = config_of(pulse_bits=4, pulse_loss=1, max_pulses=40)
    done = program(torch.tensor([0, 9, 3]), torch.tensor([20, 2, 3]), config)
    # 20: 15-7, 12-6, 6-3, 3-1, 1; 7 down: 7-3, 3-1, 1
    assert (done.pulses.tolist(), done.values.tolist()) == ([5, 3, 0], [20, 2, 3])


@pytest.mark.parametrize("text, call", [
    ("weights must be in -128..127, not 128", lambda c: make_image(torch.tensor([[128]]), c)),
    ("weights must be of a shape within (16, 6), not (17, 1)",
     lambda c: make_image(torch.zeros(17, 1, dtype=torch.int64), c)),
    ("weights must have at most 16 rows, not the shape (17, 1)",
     lambda c: make_images(torch.zeros(17, 1, dtype=torch.int64), c)),
    ("wordlines must be of shape [..., 16], not (1, 15)",
     lambda c: column_sums(torch.zeros(1, 15, dtype=torch.bool), make_image(
         torch.zeros(1, 1, dtype=torch.int64), c), c)),
    ("images must be 1, one for each tile, not 0", lambda c: IMCEngine(c, [])),
    ("cells of the image must be of shape (16, 48), not (1, 48)", lambda c: column_sums(
        torch.zeros(1, 16), Image(torch.zeros(1, 48), torch.zeros(48), torch.zeros(1)), c)),
    ("codes must be in 0..1023, not 1024", lambda c: shift_add(
        torch.full((1, 48), 1024), torch.zeros(1, 16, dtype=torch.bool), torch.zeros(16, 6), c)),
    ("sigma must be at least 0, not -1", lambda c: Device(sigma=-1)),
    ("stuck_high must be in 0..1, not 2", lambda c: Device(stuck_high=2)),
    ("present must be in 0..127, not 128", lambda c: program(
        torch.tensor([128]), torch.tensor([0]), c)),
])
def test_what_is_refused(text, call):
    with pytest.raises(GoldenError, match=re.escape(text)):
        call(config_of())


def test_most_negative_weight_needs_a_cell_for_it():
    assert config_of(cell_bits=2).weight_limits == (-128, 127)
    assert config_of(cell_bits=1).weight_limits == (-127, 127)
    assert config_of(cell_bits=1, encoding="sign").weight_limits == (-128, 127)
