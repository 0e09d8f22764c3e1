#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_info
short_description: Lists the backups of a host, and selects one
version_added: 1.0.0
description:
  - Reads the manifests under a backup root. It opens no artifact and needs no key.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.store
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
options:
  backup_id:
    description: Select V(latest), or the backup of this id. The module fails when it is not there.
    type: str
  complete_only:
    description: Leave out incomplete and unreadable backups.
    type: bool
    default: false
  not_before:
    description: Leave out backups before this id, or this beginning of one, such as V(20261101).
    type: str
  not_after:
    description: Leave out backups after this id, or after all that have this beginning, such as V(20261130).
    type: str
"""

EXAMPLES = r"""
- name: Find the newest complete backup
  lithnet.access_manager.backup_info:
    backup_root: /srv/backup/access-manager
    backup_id: latest
    complete_only: true
  register: newest

- name: Fail when it is not there
  ansible.builtin.assert:
    that: newest.backup.status == 'complete'
"""

RETURN = r"""
backups:
  description:
    - The manifests of the backups, oldest first, without their inventory, with path and size.
    - A backup whose manifest cannot be read has the status C(unreadable).
  returned: success
  type: list
  elements: dict
backup:
  description: The backup that O(backup_id) selects; null when it is not given.
  returned: success
  type: dict
"""
