#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Check the system's tools, make .venv, install the package with extra $1 (sim, bench, fpga or dev) in it.
# usage, from the repository's root: gen/bootstrap.sh EXTRA     (PYTHON names another interpreter)
set -eu

extra=$1
python=${PYTHON:-python3}
venv=.venv

say() { echo "spikeloom: $*"; }
fail() { say "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null 2>&1 || fail "$2 is missing: apt-get install $2"; }

need "$python" python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 is missing, $python is $("$python" -V): apt-get install python3.11, then make PYTHON=python3.11"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "python$version-venv is missing: apt-get install python$version-venv"
"$python" - 2>/dev/null <<'END' ||
import ctypes, os.path, sysconfig
name, folder = map(sysconfig.get_config_var, ("INSTSONAME", "LIBDIR"))
try:
    ctypes.CDLL(name)
except OSError:
    ctypes.CDLL(os.path.join(folder, name))
END
    fail "libpython$version is missing: apt-get install libpython$version"
need c++ g++
need make make
need perl perl

if [ ! -x "$venv/bin/python" ]; then
    say "making $venv with Python $version"
    "$python" -m venv "$venv"
fi
say "installing packages with extra '$extra' (the first time some hundred megabytes)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable ".[$extra]"
case $extra in  # each holds all of those before it
    dev) touch "$venv/sim.stamp" "$venv/bench.stamp" "$venv/fpga.stamp" "$venv/dev.stamp" ;;
    fpga) touch "$venv/sim.stamp" "$venv/bench.stamp" "$venv/fpga.stamp" ;;
    bench) touch "$venv/sim.stamp" "$venv/bench.stamp" ;;
    *) touch "$venv/$extra.stamp" ;;
esac
say "ready"
