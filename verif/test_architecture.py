# SPDX-License-Identifier: Apache-2.0
"""Arrows go one way: which folder may import which, and that each unit has its twins."""

import ast

import pytest

from spikeloom.gen.units import UNITS

FOLDERS = ("rtl", "models", "gen", "verif", "fpga")
# What each folder may import of ours besides itself, as prefixes of module names.
MAY_IMPORT = {
    "rtl": (),
    "models": ("rtl.config",),
    "gen": ("rtl", "models"),
    "verif": ("rtl", "models", "gen"),
    "fpga": ("rtl", "models", "gen", "verif"),
}
# Golden twins that have another name than their unit.
TWINS = {"accelerator": "network", "spiking_array": "ftp_array", "membrane_lif": "plif",
         "serial_lif": "plif",
         "ttfs_core": "ttfs_network", "crossbar_array": "imc_engine",
         "attention_array": "attention", "vit_core": "vit_network", "rescaler": "tt_ops",
         "train_core": "tt_readout"}
# Packages that a folder must do without.
MUST_NOT_IMPORT = {
    "rtl": {"torch", "numpy", "cocotb", "cocotb_tools", "pyosys"},
    "models": {"amaranth", "cocotb", "cocotb_tools", "pyosys"},
    "gen": {"cocotb", "cocotb_tools", "pyosys"},
    "verif": set(),
    "fpga": set(),
}


def _imports(path, root):
    """Yield every module that a file imports, ours without the leading ``spikeloom.``."""
    package = path.parent.relative_to(root).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [item.name for item in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ("spikeloom", *package)[:len(package) + 2 - node.level] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{item.name}" for item in node.names]
        else:
            continue
        yield from names


def _files(root, folder):
    return sorted((root / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_go_one_way(folder, root):
    wrong = []
    for path in _files(root, folder):
        for name in _imports(path, root):
            place = f"{path.relative_to(root)} imports {name}"
            first, _, rest = name.partition(".")
            if first == "spikeloom":
                allowed = (folder, *MAY_IMPORT[folder])
                if not any((rest + ".").startswith(prefix + ".") for prefix in allowed):
                    wrong.append(place)
            elif first in MUST_NOT_IMPORT[folder]:
                wrong.append(place)
    assert not wrong


def test_config_is_pure_data(root):
    for path in _files(root, "rtl/config"):
        for name in _imports(path, root):
            assert (name.startswith("spikeloom.rtl.config.") or name.split(".")[0] in
                    ("collections", "dataclasses", "hashlib", "json", "typing")), name


@pytest.mark.parametrize("folder", FOLDERS)
def test_library_imports_itself_relatively_and_no_stars(folder, root):
    for path in _files(root, folder):
        is_test = path.name.startswith(("test_", "conftest"))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert all(item.name != "*" for item in node.names), path
                if not is_test:
                    assert node.level or not (node.module or "").startswith("spikeloom"), path


def test_the_unit_has_its_twins(unit, root):
    """One stem for the unit, its golden op, its bench and its test."""
    module = UNITS[unit].__module__
    stem = module.rpartition(".")[2]
    twin = TWINS.get(stem, stem)
    for path in (f"{module.partition('.')[2].replace('.', '/')}.py", f"models/golden/{twin}.py",
                 f"verif/tb_{stem}.py", f"verif/test_rtl_{stem}.py"):
        assert (root / path).exists(), f"{unit} has no {path}"


def test_golden_twin_is_named_in_the_docstring(unit):
    component = UNITS[unit]
    stem = component.__module__.rpartition(".")[2]
    stem = TWINS.get(stem, stem)
    assert f"spikeloom.models.golden.{stem}." in (component.__doc__ or "") or (
        "Same result as" in (component.__doc__ or ""))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_says_what_it_exports(folder, root):
    """``__all__`` is there; that it names what exists is for the linter."""
    for path in _files(root, folder):
        if path.name.startswith(("test_", "conftest", "__init__")):
            continue
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        exported = [node.value for node in tree.body if isinstance(node, ast.Assign)
                    and [getattr(item, "id", "") for item in node.targets] == ["__all__"]]
        assert len(exported) == 1, path
