#!/usr/bin/env bash
# Makes the virtual environment with exactly the versions of requirements.txt.  Usage: install.sh PYTHON VENV STAMP
set -euo pipefail
python=$1 venv=$2 stamp=$3

missing() { echo "Cannot install: $1" >&2; exit 1; }
[ -n "$python" ] || missing "Python 3.11 is not on this machine (Debian, Ubuntu: apt-get install python3.11 python3.11-venv python3.11-dev)."
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    missing "$("$python" --version) was found, Python 3.11 is needed (name it with make PYTHON=/path/to/python3.11)."
"$python" -c 'import venv, ensurepip' 2>/dev/null || missing "Python's venv module is missing (apt-get install python3.11-venv)."
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
    missing "Python's headers are missing: pyradiomics is compiled here (apt-get install python3.11-dev)."
command -v cc >/dev/null || command -v gcc >/dev/null || missing "a C compiler is missing: pyradiomics is compiled here (apt-get install gcc)."

echo "Installing the pinned packages into $venv (some minutes, once) ..."
rm -rf "$venv"
"$python" -m venv "$venv"
# pyradiomics has no wheel and compiles against the installed numpy: first what its build needs, then all without build isolation.
sed -n '/^# build$/,/^$/p' requirements.txt | grep '==' >"$venv/build.txt"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$venv/build.txt"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation -r requirements.txt
"$venv/bin/python" -m pip check --disable-pip-version-check
cp requirements.txt "$stamp"
