#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_report
short_description: Writes a report of verified backups as JSON, for Prometheus, and as a web page
version_added: 1.0.0
description:
  - Takes what C(backup_verify) returned for one host or many, and writes one report of all of them.
  - The JSON has a version and is documented in C(docs/report.md). The file for Prometheus is for the textfile collector
    of its node exporter. The page is one file without scripts, which loads nothing from elsewhere.
  - Each file is replaced as a whole. Its folder must exist.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each call writes the report again, with the time of its making.
  platform:
    support: full
options:
  verifications:
    description: What C(backup_verify) returned, one element for each call. When two report the same backup or host, the
      later one counts.
    type: list
    elements: dict
    required: true
  hosts:
    description: The hosts that the report must include. One that no verification names is at risk in the report.
    type: list
    elements: str
    default: []
  expiry_days:
    description: How many days before its end a certificate is a warning.
    type: int
    default: 30
  json:
    description: Where the JSON is written on the controller.
    type: path
  prometheus:
    description: Where the metrics are written on the controller. Node exporter reads only names that end with C(.prom).
    type: path
  html:
    description: Where the page is written on the controller.
    type: path
  title:
    description: The heading of the page.
    type: str
    default: Access Manager backups
  mode:
    description: The permissions of the files, as four octal digits in quotes. Use V('0644') when node exporter or a web
      server runs as another user.
    type: str
    default: '0600'
seealso:
  - module: lithnet.access_manager.backup_verify
"""

EXAMPLES = r"""
- name: Verify the backups of each host
  lithnet.access_manager.backup_verify:
    backup_root: /srv/backup/access-manager
  register: verified
  ignore_errors: true

- name: Write one report of all hosts
  lithnet.access_manager.backup_report:
    verifications: >-
      {{ ansible_play_hosts_all | map('extract', hostvars) | selectattr('verified', 'defined')
      | map(attribute='verified') }}
    hosts: "{{ ansible_play_hosts_all }}"
    json: /var/lib/access-manager-backup/report.json
    prometheus: /var/lib/prometheus/node-exporter/access_manager_backup.prom
    html: /var/www/html/access-manager-backup.html
    mode: '0644'
  run_once: true
"""

RETURN = r"""
written:
  description: Which of C(json), C(prometheus) and C(html) were not as they are now, and were written.
  returned: success
  type: list
  elements: str
summary:
  description:
    - The summary of the report. How many hosts are C(ok), C(warning) or C(critical), how many backups are of each
      status, and how many problems there are.
  returned: success
  type: dict
  sample:
    hosts: {ok: 3, warning: 1, critical: 0}
    backups: {complete: 120, incomplete: 1, damaged: 0}
    problems: 1
"""
