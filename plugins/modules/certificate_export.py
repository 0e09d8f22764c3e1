#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: certificate_export
short_description: Exports the certificates of Access Manager with their private keys, and encrypts them
version_added: 1.0.0
description:
  - Exports every certificate that has a private key in the service's store, expired ones too, and those of
    LocalMachine\My that carry one of Access Manager's key usages, each as a PFX under a random password of its own.
  - The PFX files exist in memory only, on both sides. They arrive encrypted to a key that the controller makes for this
    call.
  - The controller decrypts each PFX, decrypts with its key what its certificate encrypts, and writes
    C(certificates.zip.age).
author:
  - The lithnet.access_manager contributors (@lithnet)
requirements:
  - cryptography >= 43.0.0
  - pyrage >= 1.2.3
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_parts
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.part
  - lithnet.access_manager.thumbprints
  - lithnet.access_manager.encryption
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details: A part is written once into the open backup.
  platform:
    support: full
seealso:
  - module: lithnet.access_manager.certificate_import
  - module: lithnet.access_manager.backup_commit
"""

EXAMPLES = r"""
- name: Export the certificates to a recipient whose key is kept offline
  lithnet.access_manager.certificate_export:
    backup_root: /srv/backup/access-manager
    backup_id: "{{ opened.backup_id }}"
    recipients:
      - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
"""

RETURN = r"""
artifact:
  description: The name, size and SHA-256 of what was written.
  returned: when not in check mode
  type: dict
certificates:
  description: The certificates, and whether each was exported. In check mode, what is known of their keys instead.
  returned: success
  type: list
  elements: dict
problems:
  description: What makes the backup incomplete, one sentence each.
  returned: when not in check mode
  type: list
  elements: str
"""
