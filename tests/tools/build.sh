#!/usr/bin/env bash
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Builds the collection, installs the tarball into an empty path and lets ansible-doc read each module from there.
set -euo pipefail

limit=1000000
rm -rf .build/dist .build/installed
ansible-galaxy collection build --output-path .build/dist
tarball=$(echo .build/dist/*.tar.gz)
size=$(stat --format %s "$tarball")
echo "$tarball: $size bytes"
if [ "$size" -ge "$limit" ]; then
    echo "It must be smaller than $limit bytes: see build_ignore in galaxy.yml." >&2
    exit 1
fi

export ANSIBLE_COLLECTIONS_PATH=.build/installed
ansible-galaxy collection install "$tarball" --offline --collections-path "$ANSIBLE_COLLECTIONS_PATH"
modules=()
for file in plugins/modules/*.py; do
    modules+=("lithnet.access_manager.$(basename "$file" .py)")
done
ansible-doc --type module --json "${modules[@]}" | python -c '
import json, sys

documented = json.load(sys.stdin)
missing = [name for name in sys.argv[1:] if not documented.get(name, {}).get("examples")]
sys.exit(f"No documentation with examples: {missing}" if missing else 0)' "${modules[@]}"
