# SPDX-License-Identifier: Apache-2.0
"""The wheel holds what the tree holds, and nothing else."""

import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest

TEXT_FILES = (".py", ".toml", ".sh", ".sv", ".vlt", ".md", ".txt", ".yml")


@pytest.fixture
def settings(root):
    path = root / "pyproject.toml"
    if not path.exists():
        pytest.skip("an installed package, not a checkout")
    return tomllib.loads(path.read_text())


def _tracked(root):
    """Return the files that belong to the repository."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                            cwd=root, capture_output=True, text=True, check=True).stdout
    return [root / name for name in listed.splitlines() if (root / name).exists()]


@pytest.fixture
def tracked(root, settings):
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    return _tracked(root)


def test_every_package_is_listed(root, settings, tracked):
    found = {".".join(["spikeloom", *path.parent.relative_to(root).parts])
             for path in tracked if path.name == "__init__.py"}
    assert found == set(settings["tool"]["setuptools"]["packages"])


def test_every_module_is_in_a_package(root, tracked):
    homeless = [str(path.relative_to(root)) for path in tracked
                if path.suffix == ".py" and not (path.parent / "__init__.py").exists()]
    assert not homeless


def test_root_holds_one_module(root, tracked):
    assert [path.name for path in tracked if path.parent == root and path.suffix == ".py"] == [
        "__init__.py"]


def test_data_is_listed(root, settings, tracked):
    listed = {path for package, patterns in settings["tool"]["setuptools"]["package-data"].items()
              for pattern in patterns
              for path in root.joinpath(*package.split(".")[1:]).glob(pattern)}
    data = {path for path in tracked if path.suffix in (".npz", ".vlt", ".sv", ".typed")
            or path.parent.name in ("presets", "templates")}
    assert data <= listed, f"not in package-data: {data - listed}"


def test_every_file_has_a_licence(root, tracked):
    bare = [str(path.relative_to(root)) for path in tracked
            if path.suffix in (".py", ".sh", ".sv", ".vlt")
            and "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:200]
            and path.name != "__init__.py"]
    assert not bare


def test_files_are_short(root, tracked):
    long = {str(path.relative_to(root)): count for path in tracked if path.suffix == ".py"
            for count in [len(path.read_text().splitlines())] if count > 300}
    assert not long


def test_dependencies_are_pinned(root, settings):
    """Each requirement is met by the version in constraints.txt, which pins one each."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = dict(line.split("==") for line in (root / "constraints.txt").read_text().splitlines()
                if not line.startswith("#"))
    pins = {canonicalize_name(name): pin for name, pin in pins.items()}
    project = settings["project"]
    wanted = [*project["dependencies"], *(
        text for extra in project["optional-dependencies"].values() for text in extra)]
    for text in wanted:
        requirement = Requirement(text)
        if requirement.name != "spikeloom":
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), text


def test_version(settings):
    assert version("spikeloom") == settings["project"]["version"]


def test_imports_cost_nothing():
    """Importing the package or a folder of it loads neither torch nor amaranth nor cocotb."""
    code = ("import sys, spikeloom, spikeloom.rtl.ftp, spikeloom.models.golden, spikeloom.gen, "
            "spikeloom.verif, spikeloom.rtl.config; "
            "print(sorted({'torch', 'amaranth', 'cocotb'} & sys.modules.keys()))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
