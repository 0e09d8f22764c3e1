#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_copy
short_description: Copies the backups of a host, and what lies beside them, to other places
version_added: 1.0.0
description:
  - Copies every backup, attachment and installer of a host that a destination does not have yet, or verifies the copies
    there. Nothing in a copy is ever deleted or replaced.
  - Only what is accepted (O(allowed_signers)) is copied, and whose files are what its record says (the manifest of a
    backup).
  - In a bucket of S3 (kind V(s3)), each file is one object. The server verifies what arrives against the SHA-256 of the
    record, and answers for it later, so that V(verified) downloads nothing. All versions of an object are looked at,
    because a key that may only write can hide an object or cover it with another.
  - A destination that fails does not keep the others from being copied to.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.copies
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.state
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
requirements:
  - boto3 (kind V(s3))
options:
  state:
    description:
      - V(copied) copies what is not there.
      - V(verified) reports each file that is missing or not what its record says. What a command (kind V(command))
        copied cannot be verified, only that it was run.
    type: str
    choices: [copied, verified]
    default: copied
  fail:
    description: Whether the module fails when a destination fails. Else each problem is a warning.
    type: bool
    default: true
seealso:
  - module: lithnet.access_manager.backup_fetch
  - module: lithnet.access_manager.backup_verify
"""

EXAMPLES = r"""
- name: Copy the backups of this host to a bucket with object lock, and to another disk
  lithnet.access_manager.backup_copy:
    backup_root: /srv/backup/access-manager
    destinations:
      - name: vault
        kind: s3
        bucket: access-manager-backups
        region: eu-central-1
      - name: nas
        kind: folder
        path: /mnt/nas/access-manager
      - name: cloud
        kind: command
        command: [rclone, copy, --immutable, "{source}", "remote:access-manager/{host}/{id}"]

- name: Verify the copies in the bucket without a download
  lithnet.access_manager.backup_copy:
    backup_root: /srv/backup/access-manager
    state: verified
    destinations:
      - name: vault
        kind: s3
        bucket: access-manager-backups
        region: eu-central-1
"""

RETURN = r"""
host:
  description: The name of the host.
  returned: success
  type: str
destinations:
  description: What became of each destination.
  returned: always
  type: list
  elements: dict
  contains:
    destination:
      description: Its name.
      returned: always
      type: str
    copied:
      description: What was copied, or would be in check mode, of each kind the newest first. Of backups their ids, and
        of the others C(attachments/ID) and C(installers/VERSION).
      returned: always
      type: list
      elements: str
    present:
      description: What was there already; with O(state=verified), what is there as its record says. Named as in
        RV(destinations[].copied).
      returned: always
      type: list
      elements: str
    unverified:
      description: With O(state=verified), what a command (kind V(command)) copied. Whether it is there cannot be
        verified. Named as in RV(destinations[].copied).
      returned: always
      type: list
      elements: str
    bytes:
      description: The bytes that were sent.
      returned: always
      type: int
    unread:
      description: With O(state=verified), the bytes that did not have to be read or downloaded.
      returned: always
      type: int
    problems:
      description: What failed, in sentences.
      returned: always
      type: list
      elements: str
    last_success:
      description: When the destination had all of the host for the last time, in UTC. V(null) when it never
        had.
      returned: always
      type: str
problems:
  description: The problems of all destinations, each with the name of its destination.
  returned: always
  type: list
  elements: str
"""
