#!/usr/bin/env bash
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs ansible-test sanity on a copy of this checkout, with the Python of the virtual environment.
# Not here: pslint needs PowerShell 7 for Linux. ansible-test skips it, with a warning, where there is none.
set -euo pipefail

root=.build/sanity
copy=$root/ansible_collections/lithnet/access_manager
version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# A repository of its own tells ansible-test which files count. The guests in tests/ keep their own rules.
tests/tools/copy.sh "$copy" ':!tests/windows' ':!tests/windows_lab' ':!tests/ad_lab'

# ansible-test keeps its environments in HOME, and fetches a script from the network that puts pip in them. Python has pip at hand.
home=$PWD/$root/home
mkdir -p "$home/.ansible/test/cache"
pip=$(python - "$version" <<'END'
import sys, types
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(types.SimpleNamespace(version=sys.argv[1]))["pip"].replace(".", "_"))
END
)
echo 'import ensurepip; ensurepip.bootstrap()' >"$home/.ansible/test/cache/get_pip_$pip.py"
[ ! -d "$HOME/.config/pip" ] || { mkdir -p "$home/.config" && ln -sfn "$HOME/.config/pip" "$home/.config/pip"; }

cd "$copy"
sanity() { HOME=$home ansible-test sanity --color no --python "$version" "$@"; }
sanity --prime-venvs >"$home/prime.log" 2>&1 || { cat "$home/prime.log"; exit 1; }
sanity
