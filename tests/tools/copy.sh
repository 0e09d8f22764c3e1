#!/usr/bin/env bash
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# copy.sh FOLDER [PATHSPEC...]: what Git would commit of this checkout, as a repository of its own in FOLDER.
set -euo pipefail

folder=$1
shift
rm -rf "$folder"
mkdir -p "$folder"
git ls-files --cached --others --exclude-standard -z -- "$@" |
    while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
    tar --create --null --files-from=- | tar --extract --directory "$folder"
git init --quiet "$folder"
git -C "$folder" add --all
