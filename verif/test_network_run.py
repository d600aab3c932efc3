# SPDX-License-Identifier: Apache-2.0
"""Whole networks on the array: a tiny one on the RTL, and what is said when a bit is wrong."""

import dataclasses
import re

import numpy as np
import pytest
import torch

from spikeloom.models.golden.compressor import compress
from spikeloom.models.golden.layer import IntegerLayer, Source
from spikeloom.models.golden.network import IntegerNetwork
from spikeloom.models.golden.plif import LIF
from spikeloom.rtl.config import FTPConfig
from spikeloom.rtl.ftp.array_layouts import tile_layout
from spikeloom.rtl.ftp.compressor import fiber_layout
from spikeloom.verif.array_run import ArrayRunError, fiber_beats, run_on_array
from spikeloom.verif.fibers import spike_beats
from spikeloom.verif.golden_array import run_on_golden
from spikeloom.verif.hexfile import read_log, write_words
from spikeloom.verif.network_run import NetworkError, run_network
from spikeloom.verif.payload import pack, unpack

CONFIG = FTPConfig(timesteps=4, chunk=16, tppes=3, laggy_adders=4, beat_values=4, max_fan_in=256)


def _network() -> IntegerNetwork:
    generator = torch.Generator().manual_seed(3)

    def weights(*shape):
        dense = torch.randint(-128, 128, shape, generator=generator)
        return dense * (torch.rand(shape, generator=generator) < 0.3)

    def channels(count, low, high):
        return torch.randint(low, high, (count,), generator=generator)

    def source(given, shape, side, **fields):
        return Source(input=given, weight=weights(*shape), height=side, width=side, **fields)

    same = {"padding": (1, 1)}
    layers = (
        IntegerLayer(name="encoder", sources=(source("image", (4, 1, 3, 3), 8, **same),),
                     bias=channels(4, -9, 9), threshold=channels(4, 1, 9000), lif=LIF(),
                     input_bits=8),
        IntegerLayer(name="conv", sources=(source("encoder", (20, 4, 3, 3), 8, **same),),
                     bias=channels(20, -20, 20), threshold=channels(20, -9, 200),
                     lif=LIF(gain=3, shift=2, reset="soft"), pool=2),
        IntegerLayer(name="readout", sources=(source("conv", (10, 20, 4, 4), 4),),
                     bias=channels(10, -9, 9), output="readout"),
    )
    return IntegerNetwork(name="tiny", timesteps=4, layers=layers, input_shape=(1, 8, 8))


def _residual_network() -> IntegerNetwork:
    """Return the tiny network with two layers between that add residuals."""
    network = _network()
    encoder, conv, readout = network.layers
    main, = conv.sources
    point = main.weight[:, :, :1, :1].contiguous()
    first = dataclasses.replace(
        conv, name="first", pool=1, keep_residual=True,
        requantize=(torch.full((20,), 20_000), torch.full((20,), 14)),
        sources=(dataclasses.replace(main, stride=2), dataclasses.replace(
            main, weight=point, stride=2, padding=(0, 0))))
    second = dataclasses.replace(
        conv, name="conv", residual="first", drop_single=True, pool=1,
        sources=(Source(input="first", weight=torch.full((20, 1, 1, 1), 64), height=4, width=4,
                        groups=20),))
    return dataclasses.replace(network, layers=(encoder, first, second, readout))


def _images(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randint(0, 256, (count, 8, 8), generator=generator).to(torch.uint8)


@pytest.mark.parametrize("inner_join", ["fast_laggy", "fast_fast"])
def test_network_on_rtl(tmp_path, inner_join):
    config = dataclasses.replace(CONFIG, inner_join=inner_join, max_fan_in=320)
    network, images = _network(), _images(2)
    found = list(run_network(network, images, config, tmp_path))
    assert [(report.name, report.mismatch) for report, _ in found] == [
        ("conv", ""), ("readout", "")]
    golden = network.run(images)
    assert 0 < int(golden["conv"].spikes.sum()) < golden["conv"].spikes.numel()
    assert torch.equal(found[-1][1], golden["readout"].psums)
    for report, _ in found:
        assert report.matches > 0 and report.cycles > 0 and 0 < report.utilisation <= 1
        assert sum(report.stalls.values()) + report.matches == report.cycles * config.tppes


def test_residuals_are_added_between_layers(tmp_path):
    config = dataclasses.replace(CONFIG, max_fan_in=320)
    network, images = _residual_network(), _images(3)
    found = list(run_network(network, images, config, tmp_path, run_on_golden))
    assert [(report.name, report.mismatch) for report, _ in found] == [
        ("first", ""), ("conv", ""), ("readout", "")]
    trace = network.run(images)
    assert torch.equal(found[0][1], trace["first"].psums)
    assert torch.equal(found[-1][1], trace["readout"].psums)
    assert trace["first"].currents.any() and 0 < trace["conv"].maps.double().mean() < 1


@pytest.mark.parametrize("kind", ["psum", "spike"])
def test_first_mismatch_is_named(tmp_path, kind):
    def faulty(job, config, folder):
        result = run_on_golden(job, config, folder)
        values = result.psums if kind == "psum" else result.spikes
        for step, row in ((2, 64 + 29), (1, 64 + 30)):  # image 1, y 3, x 5, and a later one
            values[step, row, 7] = 1 - values[step, row, 7].int()
        return result

    config = dataclasses.replace(CONFIG, max_fan_in=320)
    (report, _), = run_network(_network(), _images(2), config, tmp_path, faulty)
    cycle = (64 + 29) * 20 + 7
    assert not report.exact
    assert re.fullmatch(
        rf"{kind} of neuron \(image 1, y 3, x 5, channel 7\), timestep 2, cycle {cycle}: "
        r"expected -?\d+, got -?\d+", report.mismatch)


def test_wrong_match_count_is_named(tmp_path):
    def faulty(job, config, folder):
        result = run_on_golden(job, config, folder)
        result.counters["match"] += 1
        return result

    config = dataclasses.replace(CONFIG, max_fan_in=320)
    (report, _), = run_network(_network(), _images(1), config, tmp_path, faulty)
    assert re.fullmatch(r"matches must be \d+, not \d+", report.mismatch)


def test_array_error_is_named(tmp_path):
    """A fiber longer than the array holds stops it; the host hears why."""
    network = _network()
    job_rows = network.run(_images(1))["readout"].rows
    job = type("Job", (), {"rows": job_rows, "weights": network.layers[2].weight_matrix(),
                           "bias": None, "threshold": None, "lif": None})()
    with pytest.raises(ArrayRunError, match="the array stopped: row_overflow"):
        run_on_array(job, CONFIG, tmp_path)


@pytest.mark.parametrize("change, text", [
    ({"timesteps": 5}, "tiny has 4 timesteps, the configuration 5: --set timesteps=4"),
    ({"weight_bits": 7}, "tiny, layer conv: weights have 8 bits, weight_bits is 7"),
    ({}, ("tiny, layer readout: rows have 320 positions, max_fan_in is 256: "
          "--set max_fan_in=320")),
])
def test_network_that_does_not_fit(tmp_path, change, text):
    config = dataclasses.replace(CONFIG, **change)
    with pytest.raises(NetworkError, match=re.escape(text)):
        list(run_network(_network(), _images(1), config, tmp_path))


def test_fiber_beats_equal_the_plain_ones():
    generator = torch.Generator().manual_seed(5)
    words = torch.randint(0, 16, (5, 40), generator=generator)
    words *= torch.rand((5, 40), generator=generator) < torch.tensor([0, .2, .5, .8, 1])[:, None]
    expected = [{**beat, "fiber": index} for index, fiber in enumerate(words)
                for beat in spike_beats(compress(fiber, CONFIG.chunk), CONFIG)]
    beats = fiber_beats(words.numpy(), CONFIG)
    got = [{"values": list(map(int, beats["values"][k])), "end": int(beats["end"][k]),
            "mask": sum(int(bit) << place for place, bit in enumerate(beats["mask"][k])),
            "last": int(beats["last"][k]), "fiber": int(beats["fiber"][k])}
           for k in range(len(beats["end"]))]
    assert got == expected


def test_hex_files_agree_with_payloads(tmp_path):
    layout = tile_layout(CONFIG)
    lif = {"gain": [1, 15, 3], "shift": [0, 15, 2], "decay_input": [1, 0, 1],
           "soft_reset": [0, 1, 0]}
    fields = {"rows": [1, 3, 2], "emit_psums": [1, 0, 1], "emit_spikes": [0, 1, 1], "lif": lif,
              "drop_single": [1, 1, 0]}
    path = tmp_path / "words.hex"
    assert write_words(path, layout, fields) == 3
    for index, line in enumerate(path.read_text().split()):
        value = {name: items[index] for name, items in fields.items() if name != "lif"}
        value["lif"] = {name: items[index] for name, items in lif.items()}
        assert int(line, 16) == pack(layout, value)
    with pytest.raises(ValueError, match=r"values must be in 0\.\.3, not 1\.\.4"):
        write_words(path, layout, {"rows": [1, 4]})
    with pytest.raises(ValueError, match="field must be one of rows, .*, not colour"):
        write_words(path, layout, {"colour": [1]})


def test_logs_agree_with_payloads(tmp_path):
    layout = fiber_layout(CONFIG)
    generator = np.random.default_rng(6)
    words = [int.from_bytes(generator.bytes(16), "big") % (1 << layout.size) for _ in range(9)]
    digits = -(-layout.size // 4)
    path = tmp_path / "words.log"
    path.write_text("".join(f"{7 * k} {word:0{digits}x}\n" for k, word in enumerate(words)))
    cycles, fields = read_log(path, layout, masks=("mask",))
    assert cycles.tolist() == [7 * k for k in range(9)]
    for index, word in enumerate(words):
        expected = unpack(layout, word)
        mask = expected.pop("mask")
        assert fields["mask"][index].tolist() == [bool(mask >> k & 1) for k in range(16)]
        assert {name: fields[name][index].tolist() for name in expected} == expected
