# SPDX-License-Identifier: Apache-2.0
"""Program images and their files: regions, checksums, what is refused when read, and the CLI."""

import json
import zlib

import numpy as np
import pytest

from spikeloom.gen.cli import main
from spikeloom.gen.compiler.allocation import Region, place_apart, place_sharing
from spikeloom.gen.compiler.compile import compile_network
from spikeloom.gen.compiler.errors import ProgramError
from spikeloom.gen.compiler.maps import Residual, TileOrder
from spikeloom.gen.compiler.program import Program
from spikeloom.gen.presets import load_config
from spikeloom.models.golden import network_file
from spikeloom.rtl.config import AcceleratorConfig
from spikeloom.verif.random_networks import RANDOM_NETWORKS, RandomWeights, random_images
from spikeloom.verif.reference_machine import ReferenceMachine
from spikeloom.verif.reference_memory import MachineError, ReferenceMemory

CONFIG = AcceleratorConfig(chunk=32, laggy_adders=8, max_columns=32, memory_bits=64, tppes=4,
                           guard_bits=8)


def _network(name="two_sources"):
    return RANDOM_NETWORKS[name](RandomWeights(1), CONFIG.timesteps)


@pytest.fixture
def program():
    return compile_network(_network(), CONFIG, images=3)


def test_regions_follow_one_another(program):
    """Program, input, work, output; no two maps overlap where all are kept."""
    manifest = program.manifest
    assert manifest.program_words * 8 == len(program.content)
    assert manifest.input_address == manifest.program_words
    assert manifest.writable_start == manifest.input_address + 3 * manifest.input_words
    ends = manifest.writable_start
    for step in manifest.steps:
        for region in (step.map, step.residual):
            if region:
                assert region.address == ends
                ends += region.words
    assert manifest.result_address == ends
    assert manifest.profile_address == ends + 3 * manifest.result_words
    assert manifest.profile_words == 8 * len(manifest.steps)
    assert manifest.memory_words == manifest.profile_address + 3 * manifest.profile_words


def test_checksum_has_the_residue(program):
    assert zlib.crc32(program.content) == 0x2144DF1C


def test_the_same_network_gives_the_same_bytes(program):
    assert compile_network(_network(), CONFIG, images=3).content == program.content


def test_hardware_writes_only_where_it_may():
    """The machine refuses writes elsewhere, so a run is the proof; sharing included."""
    for keep_all in (True, False):
        program = compile_network(_network("residuals"), CONFIG, 2, keep_all)
        machine = ReferenceMachine(CONFIG, program.content)
        images = random_images(_network("residuals"), 2, 1).numpy()
        machine.memory.load(program.manifest.input_address, program.encode_images(images))
        before = bytes(machine.memory.content[:program.manifest.writable_start * 8])
        machine.run(2)
        assert machine.memory.content[:len(before)] == before


def test_machine_refuses_damage(program):
    for place in (0, 4, 8, 16, 100, len(program.content) - 1):
        damaged = bytearray(program.content)
        damaged[place] ^= 1
        with pytest.raises(MachineError):
            ReferenceMemory(CONFIG, bytes(damaged))


def test_images_are_checked(program):
    good = np.zeros((3, 3, 9, 8), np.uint8)
    assert len(program.encode_images(good)) == 3 * program.manifest.input_words * 8
    for bad, text in ((good[:, :2], r"not uint8\[3, 2, 9, 8\]"), (good.astype(int), "int64"),
                      (np.zeros((4, 3, 9, 8), np.uint8), "at most 3")):
        with pytest.raises(ValueError, match=text):
            program.encode_images(bad)
    with pytest.raises(IndexError, match="image must be in 0..2, not 3"):
        program.read_result(bytes(program.manifest.memory_words * 8), 3)


def test_images_are_channel_last(program):
    images = np.arange(3 * 9 * 8, dtype=np.uint8).reshape(1, 3, 9, 8)
    content = program.encode_images(images)
    assert content[:4] == bytes([0, 72, 144, 1])


def test_profile(program):
    manifest = program.manifest
    memory = np.zeros(manifest.memory_words * 8, np.uint8)
    numbers = np.arange(16 * len(manifest.steps), dtype="<u4")
    start = (manifest.profile_address + manifest.profile_words) * 8
    memory[start:start + numbers.nbytes] = np.frombuffer(numbers.tobytes(), np.uint8)
    profile = program.read_profile(memory, 1)
    assert list(profile) == ["image", "a", "b", "c", "d", "e", "out"]
    assert profile["b"]["cycles"] == 32 and profile["b"]["words_written"] == 43
    assert program.read_profile(memory, 0)["a"]["match"] == 0


def test_files_come_back(program, tmp_path):
    paths = program.save(tmp_path / "new")
    assert [path.name for path in paths] == ["two_sources.bin", "two_sources.json"]
    for path in paths:
        loaded = Program.load(path)
        assert loaded.content == program.content
        assert loaded.manifest == program.manifest
        assert loaded.config == CONFIG


@pytest.mark.parametrize("change, text", [
    (lambda x: x.update(format="2"), "format must be spikeloom-program-1, not 2"),
    (lambda x: x["config"].update(tppes=5), "config_hash must be"),
    (lambda x: x["config"].update(tppes=0), "config: tppes must be an int in 1..64"),
    (lambda x: x["config"].update(nope=0), "config: "),
    (lambda x: x.update(program_words=9), "bytes must be 72"),
    (lambda x: x.update(checksum=9), "CRC-32 must be 9"),
    (lambda x: x.update(memory_words=9), "memory_words must be 9"),
    (lambda x: x["steps"].pop(), "descriptors must be 6, not 7"),
    (lambda x: x.update(nope=1), "nope"),
    (lambda x: x.pop("steps"), "steps"),
    (lambda x: x["steps"][1]["map"].update(chunks="1"), r"\$.steps\[1\].map.chunks"),
])
def test_wrong_manifest_is_refused(program, tmp_path, change, text):
    binary, description = program.save(tmp_path)
    manifest = json.loads(description.read_text())
    change(manifest)
    description.write_text(json.dumps(manifest))
    with pytest.raises(ProgramError, match=text):
        Program.load(binary)


def test_wrong_image_is_refused(program, tmp_path):
    binary, description = program.save(tmp_path)
    for content, text in ((program.content[:-8], "bytes must be"),
                          (program.content[:-1] + b"?", "CRC-32 must be"),
                          (b"?" + program.content[1:], "CRC-32 must be")):
        binary.write_bytes(content)
        with pytest.raises(ProgramError, match=text):
            Program.load(description)
    binary.unlink()
    with pytest.raises(ProgramError, match="must be readable, not No such file"):
        Program.load(description)
    other = compile_network(_network("integers"), CONFIG)
    binary.write_bytes(other.content)
    with pytest.raises(ProgramError, match="bytes must be"):
        Program.load(description)


def test_places():
    """Regions needed at once lie apart, others may share; random ones too."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        regions = []
        for index in range(12):
            first = int(rng.integers(0, 10))
            regions.append(Region(key=("map", str(index)), words=int(rng.integers(1, 50)),
                                  first=first, last=first + int(rng.integers(0, 4))))
        shared, words = place_sharing(regions)
        apart, all_words = place_apart(regions)
        assert words <= all_words == sum(region.words for region in regions)
        for places, meet in ((shared, lambda a, b: a.first <= b.last and b.first <= a.last),
                             (apart, lambda a, b: True)):
            for a in regions:
                for b in regions:
                    if a is not b and meet(a, b):
                        assert (places[a.key] + a.words <= places[b.key]
                                or places[b.key] + b.words <= places[a.key])
    chain = [Region(key=("map", str(i)), words=10, first=i, last=i + 1) for i in range(9)]
    assert place_sharing(chain)[1] == 20, "two at a time are enough for a chain"


def test_residuals_are_in_the_order_of_the_array():
    """Block, tile, column, row: counted by hand for two blocks and tiles of parts of a window."""
    order = TileOrder(columns=3, block_columns=2, height=1, width=1, pool=2, windows_per_tile=1,
                      members_per_tile=3)
    values = np.arange(12 * 2, dtype="<i2").reshape(12, 2)  # T = 2
    residual = Residual(order=order, slot_bits=32, words=12, address=0)
    found = residual.read(np.frombuffer(values.tobytes(), np.uint8), 2, 32)
    # the first block: column 0 rows 0..2, column 1 rows 0..2, then row 3 of both
    assert found[0, 0].flatten().tolist() == [0, 2, 4, 12]
    assert found[1, 1].flatten().tolist() == [7, 9, 11, 15]
    assert found[0, 2].flatten().tolist() == [16, 18, 20, 22]


def _command(capsys, *words):
    status = main(words)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.npz"
    network_file.save(path, _network())
    return str(path)


def test_check_command(model, capsys):
    sets = ("--set", "guard_bits=8")
    status, out, err = _command(capsys, "check", model, "--config", "tiny", *sets)
    assert (status, err) == (0, "") and "fits: " in out
    status, out, _ = _command(capsys, "check", model, "--config", "tiny", "--json", *sets)
    report = json.loads(out)
    assert status == 0 and report["fits"] and report["predicted_cycles"] > 0
    assert [layer["name"] for layer in report["layers"]] == ["a", "b", "c", "d", "e", "out"]
    assert report["layers"][0]["lane_passes"] == 2
    status, out, _ = _command(capsys, "check", model, "--config", "tiny", "--set",
                              "weight_bits=4", "--json")
    report = json.loads(out)
    assert status == 1 and not report["fits"] and "predicted_cycles" not in report
    assert report["refusals"][0]["field"] == "weights"
    assert report["layers"][0]["refused"].startswith("weights must be in -8..7")
    status, out, err = _command(capsys, "check", model, "--config", "tiny", *sets,
                                "--set", "memory_words=256")
    assert status == 1 and "words of memory must be at most 256" in " ".join(out.split())


def test_compile_command(model, capsys, tmp_path):
    out = tmp_path / "out"
    sets = ("--set", "guard_bits=8")
    status, text, err = _command(capsys, "compile", model, "--config", "small", *sets,
                                 "--images", "2", "--out", str(out))
    assert (status, err) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == [
        "config.toml", "two_sources.bin", "two_sources.json"]
    program = Program.load(out / "two_sources.bin")
    assert program.manifest.images == 2
    assert program.config == load_config(str(out / "config.toml"))
    assert program.config == load_config("small", ["guard_bits=8"])


@pytest.mark.parametrize("words, text", [
    (["check", "nope"], "network must be one of "),
    (["compile", "nope.npz"], "nope.npz must be a network file, not missing"),
    (["compile", "MODEL", "--set", "tppe=4"], "no field 'tppe', did you mean 'tppes'?"),
    (["compile", "MODEL", "--set", "weight_bits=4"], "a: weights must be in -8..7"),
    (["compile", "MODEL", "--images", "0"], "images must be at least 1, not 0"),
])
def test_mistakes(model, capsys, tmp_path, words, text):
    words = [model if word == "MODEL" else word for word in words]
    out = ["--out", str(tmp_path / "out")] if words[0] == "compile" else []
    status, _, err = _command(capsys, *words, *out)
    assert status == 2 and text in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()
