#!/usr/bin/env bash
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Builds the docsite, as docs.ansible.com does, into .build/docsite/build/html. Other sites are out of reach: what refers to them is not resolved.
set -euo pipefail

site=.build/docsite
rm -rf "$site"
mkdir -p .build
mkdir -m 0700 "$site"
export ANSIBLE_COLLECTIONS_PATH=$PWD/.build
antsibull-docs sphinx-init --use-current --squash-hierarchy --lenient --fail-on-error --dest-dir "$site" lithnet.access_manager
antsibull-docs collection --use-current --squash-hierarchy --fail-on-error --dest-dir "$site/rst" lithnet.access_manager
sed --in-place '/^intersphinx_mapping = {/,/^}/d' "$site/conf.py"
sphinx-build --quiet -b html "$site/rst" "$site/build/html" -c "$site" 2>"$site/warnings" || { cat "$site/warnings"; exit 1; }
# Labels and pages of Ansible's own documentation are not here.
if grep -v -E "undefined label: '?(ansible_collections\.ansible\.|stepwise|action-plugins|modules_|[a-z_]+)|unknown document|index.html" "$site/warnings"; then
    echo "The docsite has warnings." >&2
    exit 1
fi
for page in index guide_first_backup guide_restore guide_keys guide_automation config_restore_module backup_role; do
    test -s "$site/build/html/docsite/$page.html" || test -s "$site/build/html/$page.html" || { echo "There is no page $page." >&2; exit 1; }
done
