#!/usr/bin/env bash
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# ansible-lint as the certification of collections calls it: on a plain checkout, which no environment variable leads to the collection.
# Its schemas are those of its release, so that nothing depends on the network. Most of its time, some 70 s of a processor, goes into
# one `ansible-playbook --syntax-check` for each playbook and role.
set -euo pipefail

copy=.build/plain
tests/tools/copy.sh "$copy"
cd "$copy"
unset ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH
ANSIBLE_LINT_SKIP_SCHEMA_UPDATE=1 ansible-lint --profile production --strict --nocolor
