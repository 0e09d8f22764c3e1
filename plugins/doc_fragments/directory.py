# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the directory is reached."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  transport:
    description:
      - How the connection is protected. V(ldaps) and V(starttls) are TLS with a verified certificate. V(kerberos) signs
        and encrypts with the ticket of the user who runs Ansible (C(kinit), or C(KRB5CCNAME)).
      - A password never passes in clear, and a certificate that is not verified is never accepted.
    type: str
    choices: [ldaps, starttls, kerberos]
    default: ldaps
  port:
    description:
      - The port, when it is not 636 (V(ldaps)) or 389.
    type: int
  ca_file:
    description:
      - A file on the controller with the certificates of the authorities that are trusted, as PEM. The system's when
        not given.
    type: path
  bind_user:
    description:
      - The account, such as V(recovery@ad.example.com). Not with V(kerberos).
    type: str
  bind_password:
    description:
      - Its password. Keep it in Ansible Vault.
    type: str
  timeout:
    description:
      - How many seconds to wait for the logon, with the connection and its TLS handshake, and then for each answer.
        Nothing waits longer, whatever the server does.
    type: int
    default: 30
  configuration_keys_lost:
    description:
      - Say that nobody can decrypt the private keys that configurations hold (certificate synchronisation). Otherwise a
        certificate is not taken for lost while the configuration in a backup has its key, which Access Manager imports
        when it starts, if C(DataProtection.EnableCertificateSynchronization) is true and its Enterprise licence is
        valid. Backups that are not accepted count too.
    type: bool
    default: false
requirements:
  - python-ldap on the controller. C(apt-get install python3-ldap) on Debian, C(dnf install python3-ldap) on RHEL, for
    the system's Python. For another Python, its headers and those of OpenLDAP and Cyrus SASL are needed to C(pip
    install python-ldap).
"""
