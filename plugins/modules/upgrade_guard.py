#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: upgrade_guard
short_description: Marks the backup that protects an upgrade, and refuses an upgrade that none protects
version_added: 1.0.0
description:
  - With O(state=marked) it writes C(.pre-upgrade.json) beside the backups of the host. The file names the backup, the
    version of Access Manager that it protects, and how far it was verified. The playbook C(pre_upgrade) does that.
  - With O(state=required) it fails unless there is such a marker, and its backup is as it was verified. Put it before
    the task that installs a new version.
  - A marker stays until the next one takes its place. C(backup_prune) never removes the backup that it names.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
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
    support: partial
    details: V(marked) writes the marker each time.
  platform:
    support: full
options:
  state:
    description: V(marked) marks a backup. V(required) fails when none is marked, or it cannot be used.
    type: str
    choices: [marked, required]
    default: required
  backup_id:
    description: The id of the backup. Required when O(state=marked).
    type: str
  verification:
    description: What C(backup_verify) returned of the backup. Required when O(state=marked). A backup with a problem is
      not marked.
    type: dict
  max_age:
    description: Fail when the marked backup is older than this many hours.
    type: float
  access_manager_version:
    description: Fail when the marked backup is of another version of Access Manager.
    type: str
  installation:
    description: What M(lithnet.access_manager.installation_info) returned as C(installation). With it,
      RV(upgrade_warnings) say what to know of an installation that is not in the folders that the installer chooses.
    type: dict
seealso:
  - module: lithnet.access_manager.backup_verify
  - module: lithnet.access_manager.config_restore
"""

EXAMPLES = r"""
- name: Install nothing unless a backup of the last two hours protects it
  lithnet.access_manager.upgrade_guard:
    backup_root: /srv/backup/access-manager
    max_age: 2
"""

RETURN = r"""
marker:
  description: The marker.
  returned: success
  type: dict
  contains:
    format:
      description: The format of the marker, V(1).
      type: int
    host:
      description: The name under which the backups lie.
      type: str
    backup_id:
      description: The id of the backup.
      type: str
    path:
      description: Its folder on the controller.
      type: str
    access_manager_version:
      description: The version that it protects.
      type: str
    verified:
      description: V(full) when it was decrypted and verified with a key, V(integrity) when sizes, hashes and the chain
        of manifests were verified alone.
      type: str
    marked:
      description: When it was marked, in UTC.
      type: str
    manifest_sha256:
      description: The SHA-256 of its manifest.
      type: str
upgrade_warnings:
  description: What the vendor documents of upgrades from version 1, which MSI a rollback begins with, and, when
    O(installation) is given, what to know of its folders.
  returned: success
  type: list
  elements: str
"""
