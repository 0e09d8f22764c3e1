#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: attachment_extract
short_description: Decrypts an attachment beside the backups into a file on the controller
version_added: 1.0.0
description:
  - Decrypts what O(lithnet.access_manager.backup_commit#module:attachments) kept, such as the recovery password of
    Access Manager 2, into a new file with mode C(0600).
  - With O(allowed_signers), an attachment that none of them signed is refused. One that is not as this controller kept
    it is refused too.
  - For the newest of a name, only those count that are accepted, or that this controller kept. One that is dated in the
    future, and that neither this controller kept nor one of O(allowed_signers) signed, is extracted by its id alone.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.state
  - lithnet.access_manager.decryption
  - lithnet.access_manager.signing
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
options:
  name:
    description: The name of the file that was kept, for the newest of that name, or the id of an attachment, as
      RV(lithnet.access_manager.backup_info#module:attachments) lists them.
    type: str
    required: true
  dest:
    description: The file on the controller that is made. A file with another content is not replaced.
    type: path
    required: true
seealso:
  - module: lithnet.access_manager.backup_commit
  - module: lithnet.access_manager.backup_info
"""

EXAMPLES = r"""
- name: Decrypt the recovery password
  lithnet.access_manager.attachment_extract:
    backup_root: /srv/backup/access-manager
    allowed_signers: /etc/access-manager/allowed_signers
    identity_file: /media/usb/access-manager-backup.key
    name: recovery-password.txt
    dest: /dev/shm/recovery-password.txt
"""

RETURN = r"""
dest:
  description: The file on the controller.
  returned: success
  type: str
host:
  description: The name under which the attachment lies.
  returned: success
  type: str
id:
  description: The id of the attachment, which is the time in UTC when it was kept.
  returned: success
  type: str
name:
  description: The name of the file from which it was kept.
  returned: success
  type: str
bytes:
  description: The size of that file.
  returned: success
  type: int
signer:
  description: Who signed its record, by C(principal) and C(fingerprint). V(null) when that is not known.
  returned: success
  type: dict
origin:
  description: Who kept it, in a sentence.
  returned: success
  type: str
"""
