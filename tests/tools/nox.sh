#!/usr/bin/env bash
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# nox.sh SESSION...: checks of antsibull-nox, in the virtual environment that is there. galaxy-importer only warns, so its warnings
# fail here. E999 is none: its flake8 reads PowerShell and YAML as Python. docs-check does nothing without an environment of its
# own: the step docs has what it runs.
set -euo pipefail

mkdir -p .build
log=.build/nox-$1.log
nox --no-venv --nocolor --session "$@" 2>&1 | tee "$log"
if grep '^WARNING: ' "$log" | grep --invert-match --extended-regexp '\.(ps1|yml):[0-9:]* E999 '; then
    echo "galaxy-importer has findings." >&2
    exit 1
fi
