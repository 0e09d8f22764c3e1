#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: certificate_import
short_description: Restores the certificates of a backup with their private keys
version_added: 1.0.0
description:
  - Imports the certificates of a backup that are missing into the service's own store, as exportable keys of the
    machine, and lets the service and the Administrators read them.
  - A certificate that is there with its key is left alone. One without its key gets it. One whose key the service may
    not read gets that permission.
  - Each key is verified on the server. It decrypts what its certificate encrypts.
  - Either all of them are restored, or none. The service is not touched. The other parts of the backup are left,
    whatever O(restore_only) says.
  - The backup may be of another server, or of the certificates of a forest alone, as
    M(lithnet.access_manager.directory_certificate) makes it.
  - M(lithnet.access_manager.config_restore) does this too, as a part of a whole restore.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_restores
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.restore
  - lithnet.access_manager.signing
  - lithnet.access_manager.decryption
  - lithnet.access_manager.staging
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.state
options:
  thumbprints:
    description:
      - Import these certificates alone, by their thumbprints. The backup must hold their private keys. All are imported
        when it is empty.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
seealso:
  - module: lithnet.access_manager.config_restore
  - module: lithnet.access_manager.directory_certificate
"""

EXAMPLES = r"""
- name: Restore missing certificates from the newest complete backup
  lithnet.access_manager.certificate_import:
    backup_root: /srv/backup/access-manager
    identity_file: /media/key/access-manager-backup.key

- name: Import the certificate that directory_certificate made
  lithnet.access_manager.certificate_import:
    backup_root: /srv/backup/access-manager
    host: forest.example
    identity_file: /media/key/access-manager-backup.key
"""

RETURN = r"""
certificates:
  description: What was missing, as C(thumbprint) and C(action), which is C(import), C(give_key) or C(give_access).
  returned: always
  type: list
  elements: dict
signer:
  description: Which of O(allowed_signers) signed the backup, as C(principal) and C(fingerprint) of the key; null when
    that is not verified.
  returned: always
  type: dict
origin:
  description: The same in one sentence. It says when the origin of the backup is not verified.
  returned: always
  type: str
"""
