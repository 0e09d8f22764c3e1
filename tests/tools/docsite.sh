#!/usr/bin/env bash
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Builds the docsite, as docs.ansible.com does, into .build/docsite/build/html, from a copy in which the next release is made.
# Other sites are out of reach: what refers to them is not resolved.
set -euo pipefail

site=$PWD/.build/docsite
root=$PWD/.build/docsite-source
copy=$root/ansible_collections/lithnet/access_manager
tests/tools/copy.sh "$copy"
version=$(sed -n 's/^version: //p' galaxy.yml)
grep --quiet "^  $version:" changelogs/changelog.yaml || (cd "$copy" && antsibull-changelog release)
grep --quiet "^## v${version//./\\\\.}" "$copy/CHANGELOG.md"

rm -rf "$site"
mkdir -m 0700 "$site"
export ANSIBLE_COLLECTIONS_PATH=$root
antsibull-docs sphinx-init --use-current --squash-hierarchy --lenient --fail-on-error --dest-dir "$site" lithnet.access_manager
antsibull-docs collection --use-current --squash-hierarchy --fail-on-error --dest-dir "$site/rst" lithnet.access_manager
sed --in-place '/^intersphinx_mapping = {/,/^}/d' "$site/conf.py"
sphinx-build --quiet -b html "$site/rst" "$site/build/html" -c "$site" 2>"$site/warnings" || { cat "$site/warnings"; exit 1; }
# Labels of Ansible's own documentation are not here.
elsewhere='action_plugins|common_return_values|ansible_configuration_settings|ansible_collections\.ansible\.[a-z._]+'
if grep --invert-match --extended-regexp "undefined label: '($elsewhere)'" "$site/warnings"; then
    echo "The docsite has warnings." >&2
    exit 1
fi
for page in index docsite/guide_{first_backup,restore,keys,automation} config_restore_module backup_role changelog; do
    test -s "$site/build/html/$page.html" || { echo "There is no page $page." >&2; exit 1; }
done
