#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: secret_export
short_description: Exports the secrets that an Access Manager server alone can decrypt, and encrypts them
version_added: 1.0.0
description:
  - Access Manager protects the client secret of OpenID Connect and the password of its mail server with the DPAPI of
    its server. No other server can decrypt them. This module has the server decrypt them and writes C(secrets.json.age)
    into the open backup.
  - With a cluster it protects them for accounts of the domain (mode 3). They are decrypted where the account of this
    run may, and kept as they are otherwise.
  - A secret that the settings do not use, and one whose certificate is in the backup, make no backup incomplete.
  - They arrive encrypted to a key that the controller makes for this call, and are never written in clear.
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
  - module: lithnet.access_manager.config_restore
  - module: lithnet.access_manager.backup_commit
"""

EXAMPLES = r"""
- name: Export the secrets
  lithnet.access_manager.secret_export:
    backup_root: /srv/backup/access-manager
    backup_id: "{{ opened.backup_id }}"
    recipients: "{{ access_manager_recipients }}"
"""

RETURN = r"""
artifact:
  description: The name, size and SHA-256 of what was written.
  returned: when not in check mode
  type: dict
secrets:
  description: The path and the mode of each secret, whether it was exported, and who may decrypt one of the domain.
    Never its value.
  returned: success
  type: list
  elements: dict
notices:
  description:
    - A sentence for each secret that accounts of the domain may decrypt (mode 3), and the account of this run may not.
      The backup is complete without its value, because it restores as it is for those accounts, which the sentence
      names.
  returned: when not in check mode
  type: list
  elements: str
problems:
  description: The secrets that are in use and that neither the server nor an account of the domain can decrypt, one
    sentence each.
  returned: when not in check mode
  type: list
  elements: str
"""
