#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_info
short_description: Lists backups, and selects one
version_added: 1.0.0
description:
  - Reads the manifests under a backup root. It decrypts nothing and needs no key.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.signing
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.state
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
  backup_id:
    description:
      - Select V(latest), or the backup of this id. The module fails when it is not there.
      - With O(allowed_signers), V(latest) is the newest that one of them signed, and the module fails when the backup
        of an id is not.
    type: str
  complete_only:
    description: Leave out incomplete and unreadable backups.
    type: bool
    default: false
  not_before:
    description:
      - Leave out backups that were made before this time in UTC. It is an id or the beginning of one, with or without
        separators, such as V(20261101T080000Z), V(2026-11-01) or V(202611).
    type: str
  not_after:
    description: Leave out backups that were made after this time, or after the day, month or year that it is the
      beginning of.
    type: str
  all_hosts:
    description:
      - List the backups of every host that has a folder under the root, by host. A folder that cannot be listed, as one
        that is a link, is named in a warning.
    type: bool
    default: false
seealso:
  - module: lithnet.access_manager.backup_verify
  - module: lithnet.access_manager.backup_diff
"""

EXAMPLES = r"""
- name: Find the newest complete backup
  lithnet.access_manager.backup_info:
    backup_root: /srv/backup/access-manager
    backup_id: latest
    complete_only: true
  register: newest

- name: Find the newest of October, whether it is complete or not
  lithnet.access_manager.backup_info:
    backup_root: /srv/backup/access-manager
    backup_id: latest
    not_after: 2026-10

- name: List the complete backups of all hosts
  lithnet.access_manager.backup_info:
    backup_root: /srv/backup/access-manager
    all_hosts: true
    complete_only: true
"""

RETURN = r"""
backups:
  description:
    - The manifests of the backups, by host and oldest first, without their inventory, with C(path) and C(size).
    - C(signer) is who signed it, as C(principal) and C(fingerprint); null when that is not verified. C(origin) says it
      in one sentence. C(accepted) is whether this run, with these signers, would use it.
    - A backup whose manifest cannot be read has the status C(unreadable).
  returned: success
  type: list
  elements: dict
backup:
  description: The backup that O(backup_id) selects; null when it is not given.
  returned: success
  type: dict
installers:
  description: The MSIs of Access Manager Service that are kept beside the backups, by host and version.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The name under which the backups lie.
      type: str
    version:
      description: The version that it installs.
      type: str
    path:
      description: The MSI on the controller.
      type: str
    product_code:
      description: Its product code.
      type: str
    name:
      description: The name of the file from which it was kept.
      type: str
    size:
      description: Its size in bytes.
      type: int
    sha256:
      description: Its SHA-256.
      type: str
    signer:
      description: Who signed its record, as for RV(backups).
      type: dict
    problem:
      description: Why it is not used, in one sentence; empty when it may be used.
      type: str
attachments:
  description: The attachments beside the backups, by host and the oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The name under which the backups lie.
      type: str
    id:
      description: Its id, which is the time in UTC when it was kept.
      type: str
    name:
      description: The name of the file from which it was kept.
      type: str
    bytes:
      description: The size of that file.
      type: int
    size:
      description: The size of the file in the store.
      type: int
    sha256:
      description: The SHA-256 of the file in the store.
      type: str
    encryption:
      description: How it is encrypted, as C(recipients), C(passphrase) or C(none).
      type: str
    recipients:
      description: Who can decrypt it.
      type: list
      elements: str
    path:
      description: Its folder on the controller.
      type: str
    signer:
      description: Who signed its record, as for RV(backups).
      type: dict
    problem:
      description: Why it is not used, in one sentence; empty when it may be used.
      type: str
"""
