#!/usr/bin/env bash
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# packages.sh PYTHON NEED...: installs what is missing from Debian's or Ubuntu's packages; says how when it cannot.
set -euo pipefail

python=$1
shift
missing=()
for need in "$@"; do
    case $need in
        wine) command -v wine >/dev/null || missing+=(wine wine64) ;;
        ssh-keygen) command -v ssh-keygen >/dev/null || missing+=(openssh-client) ;;
        systemd-analyze) command -v systemd-analyze >/dev/null || missing+=(systemd) ;;
        promtool) command -v promtool >/dev/null || missing+=(prometheus) ;;
        samba)
            for program in samba:samba-ad-dc samba-tool:samba-ad-provision wbinfo:winbind ldbadd:ldb-tools kinit:krb5-user ldapmodify:ldap-utils openssl:openssl; do
                command -v "${program%%:*}" >/dev/null || missing+=("${program#*:}")
            done
            ;;
        # What pip needs to build python-ldap, and its logon by Kerberos.
        python-ldap)
            for file in /usr/include/ldap.h:libldap2-dev /usr/include/sasl/sasl.h:libsasl2-dev; do
                [ -e "${file%%:*}" ] || missing+=("${file#*:}")
            done
            command -v gcc >/dev/null || missing+=(gcc)
            compgen -G '/usr/lib/*/sasl2/libgssapiv2.so*' >/dev/null || missing+=(libsasl2-modules-gssapi-mit)
            "$python" -c 'import os, sysconfig; open(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2>/dev/null || missing+=(python3-dev)
            ;;
        venv) "$python" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv) ;;
        *) command -v "$need" >/dev/null || missing+=("$need") ;;
    esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

install=(apt-get install --yes --no-install-recommends "${missing[@]}")
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2 && "${install[@]}" --quiet=2 >/dev/null && exit 0
fi
echo "Missing: ${missing[*]}. As root, run:  apt-get update && ${install[*]}" >&2
exit 1
