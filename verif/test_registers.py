# SPDX-License-Identifier: Apache-2.0
"""The register map, and the files for software that are made of it."""

import dataclasses
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from systemrdl import RDLCompiler
from systemrdl.node import FieldNode

from spikeloom.gen.presets import load_config
from spikeloom.gen.registers import REGISTER_FILES, render_registers, write_registers
from spikeloom.models.golden.csr import BUSY, COUNTERS, RegisterFile
from spikeloom.rtl.config import INNER_JOINS, AcceleratorConfig
from spikeloom.rtl.soc import performance_counters
from spikeloom.rtl.soc.register_map import (
    ACCESSES,
    COUNTER_MEANINGS,
    ERROR_MEANINGS,
    REGISTER_ADDRESS_BITS,
    REGISTER_BITS,
    ErrorCode,
    register_map,
)

CONFIGS = {"axi": load_config("loas"), "on_chip": load_config("tiny"),
           "other": AcceleratorConfig(inner_join="fast_fast", requantize=0, guard_bits=2),
           "crossbar": load_config("imc"), "attention": load_config("statten")}


@pytest.fixture(params=CONFIGS)
def config(request):
    """Each configuration in turn."""
    return CONFIGS[request.param]


@pytest.fixture
def registers(config):
    """Its registers."""
    return register_map(config).registers


@pytest.fixture
def written(config, tmp_path):
    """Paths of the written files by name."""
    return {path.name: path for path in write_registers(config, tmp_path)}


def test_map_needs_no_amaranth():
    code = ("import sys, spikeloom.rtl.soc.register_map; "
            "print(sorted({'torch', 'amaranth'} & sys.modules.keys()))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_registers_are_sound(registers):
    offsets = [register.offset for register in registers]
    assert offsets == sorted(set(offsets)) and not any(offset % 4 for offset in offsets)
    assert max(offsets) < 1 << REGISTER_ADDRESS_BITS
    assert len({register.name for register in registers}) == len(registers)
    for register in registers:
        assert register.access in ACCESSES and register.meaning.endswith("."), register.name
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", register.name)
        taken = 0
        for field in register.fields:
            assert field.meaning.endswith(".") and 0 <= field.reset < 1 << field.width
            assert not field.mask & taken and field.mask < 1 << REGISTER_BITS, field.name
            taken |= field.mask
            assert not field.constant or register.access == "ro"
        assert register.bits == taken.bit_length()
        assert register.access == "ro" or taken == (1 << register.bits) - 1, "stored without holes"
        assert len({field.constant for field in register.fields}) == 1


def test_map_agrees_with_the_golden_registers(config, registers):
    golden = RegisterFile(config)
    readable = {offset for offset in range(0, 1 << REGISTER_ADDRESS_BITS, 4)
                if golden.read(offset) is not None}
    assert readable == {register.offset for register in registers}
    for register in registers:
        fresh = RegisterFile(config)
        if register.name == "status":
            fresh.memory_idle = False
        assert fresh.read(register.offset) == register.reset, register.name
        refused = fresh.write(register.offset, 0) is None
        assert refused == (register.access == "ro"), register.name
    assert list(COUNTER_MEANINGS) == list(COUNTERS) == list(performance_counters.COUNTERS)
    assert BUSY == ErrorCode.BUSY


def test_configuration_is_in_the_map(config):
    found = register_map(config)
    assert found["config_crossbar"].reset == (config.crossbar is not None)
    for name, value in config.flat().items():
        field = found[f"config_{name.replace('.', '_')}"].fields[0]
        assert field.constant
        assert (field.values[field.reset] if field.values else field.reset) == value, name
    number = found["hash_high"].reset << 32 | found["hash_low"].reset
    assert f"{number:016x}" == config.hash()


def test_configuration_decides_what_is_there():
    names = {key: {register.name for register in register_map(config).registers}
             for key, config in CONFIGS.items()}
    assert names["axi"] - names["on_chip"] == {"base"}
    assert names["on_chip"] - names["axi"] == {"memory_address", "memory_data"}
    for part, others in (("crossbar", {"cell_failures"}), ("attention", set())):
        assert names[part] - names["axi"] == others | {
            f"config_{name.replace('.', '_')}" for name in CONFIGS[part].flat() if "." in name}
    offsets = {}
    for config in CONFIGS.values():
        for register in register_map(config).registers:
            assert offsets.setdefault(register.name, register.offset) == register.offset


def test_error_codes_are_complete():
    assert list(ERROR_MEANINGS) == list(ErrorCode)
    assert [code.value for code in ErrorCode] == list(range(len(ErrorCode)))
    names = register_map(CONFIGS["axi"])["error"].fields[0].values
    assert names == tuple(code.name.lower() for code in ErrorCode)


def test_same_configuration_same_text(config, written):
    assert sorted(written) == sorted(REGISTER_FILES)
    again = render_registers(dataclasses.replace(config))
    assert {name: path.read_text() for name, path in written.items()} == again
    for name, text in again.items():
        assert config.hash() in text and text.isascii() and text.endswith("\n"), name
        assert not re.search(r"[ \t]\n", text), f"{name}: blanks at the end of a line"


def test_python_names_every_field(registers, written):
    names = runpy.run_path(str(written["regs.py"]))
    for register in registers:
        assert names[register.name.upper()] == register.offset
        for field in register.fields:
            prefix = f"{register.name}_{field.name}".upper()
            assert [names[f"{prefix}_{part}"] for part in ("SHIFT", "MASK", "RESET")] == [
                field.lsb, field.mask, field.reset]
    codes = {code.name: code.value for code in names["ErrorCode"]}
    assert codes == {code.name: code.value for code in ErrorCode}


def test_header_compiles_and_has_every_value(registers, written, tmp_path):
    expected = {}
    for register in registers:
        expected[f"SPIKELOOM_{register.name.upper()}_OFFSET"] = register.offset
        for field in register.fields:
            prefix = f"SPIKELOOM_{register.name}_{field.name}".upper()
            expected |= {f"{prefix}_SHIFT": field.lsb, f"{prefix}_MASK": field.mask,
                         f"{prefix}_RESET": field.reset}
    expected |= {f"SPIKELOOM_ERROR_{code.name}": code.value for code in ErrorCode}
    lines = "\n".join(f'  printf("{name} %lu\\n", (unsigned long)({name}));' for name in expected)
    source = tmp_path / "main.c"
    source.write_text('#include <stdio.h>\n#include "regs.h"\n#include "regs.h"\n'
                      f"int main(void) {{\n{lines}\n  return 0;\n}}\n")
    program = tmp_path / "main"
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic",
                    str(source), "-o", str(program)], check=True)
    printed = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    found = {name: int(value) for name, value in (line.split() for line in printed.splitlines())}
    assert found == expected


def test_systemrdl_compiles_to_the_same_map(registers, written):
    compiler = RDLCompiler()
    compiler.compile_file(str(written["registers.rdl"]))
    nodes = list(compiler.elaborate().top.registers())
    assert [(node.inst_name, node.absolute_address) for node in nodes] == [
        (register.name, register.offset) for register in registers]
    access = {"ro": "r", "rw": "rw", "wo": "w", "w1c": "rw"}
    for node, register in zip(nodes, registers, strict=True):
        assert node.get_property("desc") == register.meaning
        fields = {item.inst_name: item for item in node.fields()}
        assert set(fields) == {field.name for field in register.fields}
        for field in register.fields:
            item: FieldNode = fields[field.name]
            assert (item.lsb, item.width) == (field.lsb, field.width), field.name
            assert item.get_property("reset") == field.reset
            assert item.get_property("sw").name == access[register.access]
            assert item.get_property("singlepulse") == (register.access == "wo")
            assert item.get_property("desc") == field.meaning
            clears = item.get_property("onwrite")
            assert (clears.name if clears else "") == ("woclr" if register.access == "w1c" else "")
            assert field.constant == (item.get_property("hw").name == "na")
    encoded = compiler.elaborate().top.find_by_path("error.code").get_property("encode")
    assert {item.name: item.value for item in encoded} == {
        code.name.lower(): code.value for code in ErrorCode}


class _Page(HTMLParser):
    """Gathers text, links and open elements."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.links, self.targets = [], [], set(), set()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.links |= {found[name] for name in ("href", "src") if name in found}
        self.targets |= {f"#{found['id']}"} if "id" in found else set()
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_page_stands_alone_and_names_everything(registers, written):
    page = _Page()
    page.feed(written["registers.html"].read_text())
    page.close()
    assert not page.open
    assert page.links <= page.targets, "links lead to the page itself"
    text = " ".join(" ".join(page.text).split())
    for register in registers:
        assert f"0x{register.offset:03X} {register.name} {register.access}" in text
        for field in register.fields:
            assert field.meaning in text
    assert all(meaning in text for meaning in ERROR_MEANINGS.values())
    assert all(name in text for name in INNER_JOINS)
