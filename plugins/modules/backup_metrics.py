#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_metrics
short_description: Writes for Prometheus how the last backup runs ended
version_added: 1.0.0
description:
  - Reads what M(lithnet.access_manager.backup_record) recorded beside the backups of all hosts under a root, and writes
    it for the textfile collector of Prometheus' node exporter. The file is replaced as a whole.
  - It also writes when this controller's copies last had every backup (O(state_dir)).
  - It verifies no backup. M(lithnet.access_manager.backup_report) writes what a verification found, under other names.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.signing
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
  backup_root:
    description: The folder on the controller under which the backups of all hosts lie, each host's in a folder of its
      name.
    type: path
    required: true
  hosts:
    description: The names of hosts that the file must have, whether they have a folder under the root or not.
    type: list
    elements: str
    default: []
  prometheus:
    description: The file. Its folder must exist.
    type: path
    required: true
  mode:
    description: The permissions of the file, as four octal digits in quotes.
    type: str
    default: "0600"
seealso:
  - module: lithnet.access_manager.backup_record
  - module: lithnet.access_manager.backup_report
"""

EXAMPLES = r"""
- name: Write how the last runs ended
  lithnet.access_manager.backup_metrics:
    backup_root: /srv/backup/access-manager
    prometheus: /var/lib/prometheus/node-exporter/access-manager-runs.prom
    mode: "0644"
"""

RETURN = r"""
hosts:
  description: What was found of each host.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: Its name.
      type: str
    newest_complete:
      description: The id of its newest complete backup; null when there is none.
      type: str
    last_success:
      description: When a run last made that backup, or found the server as it is in it, in UTC.
      type: str
    last_run:
      description: The last run, as RV(lithnet.access_manager.backup_record#module:run); null when none is recorded.
      type: dict
    copies:
      description: The destinations of its copies, as RV(lithnet.access_manager.backup_verify#module:hosts[].copies).
      type: list
      elements: dict
"""
