#!/usr/bin/env bash
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The workflows of GitHub by their schema, and by zizmor for what an attacker could do with them: both without the network.
# actionlint too, where it is installed; the public CI installs it.
set -euo pipefail

check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
zizmor --offline --no-progress --min-severity medium .github/workflows
if command -v actionlint >/dev/null; then actionlint; else echo 'actionlint is not installed: left to the public CI.'; fi
