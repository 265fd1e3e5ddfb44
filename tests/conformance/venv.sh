#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: mq authors
#
# Makes a Python environment with the packages of requirements.txt. Usage: venv.sh FOLDER
# It is kept, and made anew only when the list has changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:?usage: venv.sh FOLDER}

if cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    echo "$venv is up to date"
    exit
fi
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
cp "$here/requirements.txt" "$venv/" # last: an interrupted run starts again
echo "$venv is made"
