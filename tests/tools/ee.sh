#!/usr/bin/env bash
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What ansible-builder makes of the collection: the requirements that it finds, and the build context of the recipe. No image is built.
set -euo pipefail

found=$(ansible-builder introspect .build)
for wanted in 'pypsrp[kerberos]' 'pywinrm[kerberos]' pyrage cryptography python-ldap krb5-devel libkrb5-dev openldap-devel libldap2-dev openssh-clients; do
    grep --quiet --fixed-strings -- "$wanted" <<<"$found" || { echo "The execution environment lacks $wanted." >&2; exit 1; }
done

rm -rf .build/ee
ansible-builder create --file tests/tools/execution-environment.yml --context .build/ee --output-filename Containerfile
grep --quiet 'ansible-core>=2.19' .build/ee/Containerfile
grep --quiet 'lithnet.access_manager' .build/ee/_build/requirements.yml
