#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_record
short_description: Records how a backup run ended
version_added: 1.0.0
description:
  - Adds a line to C(.runs.jsonl) beside the backups of a host, for every run, also for one that found nothing changed
    or failed. The line is signed with O(signing_key). The newest 100 lines stay.
  - M(lithnet.access_manager.backup_verify) knows by it the age of the last successful run beside the age of what it
    found.
  - When O(failure) is given, it fails with that message again, whatever became of the record. When the record cannot be
    written, that is a warning.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.state
  - lithnet.access_manager.signing
  - lithnet.access_manager.signing.key
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
  platform:
    support: full
options:
  started:
    description: When the run began, in UTC, as M(lithnet.access_manager.backup_commit) returns it with
      RV(lithnet.access_manager.backup_commit#module:started).
    type: str
  opened:
    description: What M(lithnet.access_manager.backup_commit) with C(state=opened) returned, when the run came to it.
    type: dict
  committed:
    description: What M(lithnet.access_manager.backup_commit) with C(state=committed) returned, when the run came to it.
    type: dict
  health_warnings:
    description: What RV(lithnet.access_manager.installation_info#module:health_warnings) says. The record of a run that
      made a backup has those of O(committed).
    type: list
    elements: str
    default: []
  event_warnings:
    description: What RV(lithnet.access_manager.installation_info#module:event_warnings) says. It stands in the record
      of a run, and not in backups.
    type: list
    elements: str
    default: []
  failure:
    description: Why the run failed. Leave it out when it did not.
    type: str
  replaces:
    description: RV(run.finished) of the record with O(failure) that was written in advance for the same run, and whose
      place this one takes.
    type: str
  reachable:
    description: Whether the failure came from something else than the connection. The result repeats it.
    type: bool
    default: true
seealso:
  - module: lithnet.access_manager.backup_commit
  - module: lithnet.access_manager.backup_verify
"""

EXAMPLES = r"""
- name: Record a run that went well
  lithnet.access_manager.backup_record:
    backup_root: /srv/backup/access-manager
    opened: "{{ opened }}"
    committed: "{{ committed | default(omit) }}"

- name: Record a run that failed, in the rescue of its block, and fail as it did
  lithnet.access_manager.backup_record:
    backup_root: /srv/backup/access-manager
    failure: "{{ ansible_failed_result.msg }}"
"""

RETURN = r"""
run:
  description: What was recorded.
  returned: always
  type: dict
  contains:
    host:
      description: The name under which the backups lie.
      type: str
    finished:
      description: When the run ended, in UTC.
      type: str
    outcome:
      description: >-
        V(complete) or V(incomplete) when there is a new backup, V(unchanged) when the newest complete one holds what
        the server holds, else V(failed).
      type: str
    backup_id:
      description: The id of that backup; null when the run failed.
      type: str
    seconds:
      description: How long the run took; null when that is not known.
      type: float
    downtime_ms:
      description: Milliseconds for which the service was stopped; null when it did not start again, or when that is not
        known.
      type: int
    problems:
      description: What made the backup incomplete or the run fail, shortened.
      type: list
      elements: str
    health_warnings:
      description: What was to be looked at on the server, shortened.
      type: list
      elements: str
newest_complete:
  description: The id of the newest complete backup, by an allowed signer when O(allowed_signers) is set; null when
    there is none.
  returned: when the record can be read
  type: str
age_hours:
  description: How many hours ago that backup was begun.
  returned: when the record can be read
  type: float
last_success:
  description: When a run last made that backup, or found the server as it is in it, in UTC.
  returned: when the record can be read
  type: str
last_success_age_hours:
  description: How many hours ago that was.
  returned: when the record can be read
  type: float
"""
