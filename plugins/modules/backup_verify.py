#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_verify
short_description: Verifies backups on the controller
version_added: 1.0.0
description:
  - Without a key it verifies that each artifact is there with the size and SHA-256 that the manifest names, that its
    age header names the recipients of the manifest, that no manifest contradicts itself, that nothing else lies in a
    backup's folder, and that no manifest was removed or changed since a later one was made.
  - An age header does not name age keys. It is compared by their number. SSH keys are compared by the tag that the
    header carries.
  - With O(identity_file) or O(passphrase) it also decrypts each backup in memory. It checks every file against
    C(files.json), that the JSON files parse, that each part belongs to the backup in which it lies, that the manifest
    describes what is there, that every secret is there, and that each private key decrypts what its certificate
    encrypted.
  - With O(allowed_signers), a backup that none of them signed is a problem, and it is not decrypted.
  - A host whose folder is a link is a problem. Links are not followed.
  - A part in clear is read without a key. With one it is a problem, unless O(encryption=none) is set.
  - Where this controller knows which backups it published last (O(state_dir)), it also finds a store that went back in
    time, and hosts whose backups are gone.
  - Nothing is written, except O(report), and with O(accept_history=true).
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.state
  - lithnet.access_manager.signing
  - lithnet.access_manager.decryption
  - lithnet.access_manager.store.owner
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
    description:
      - The names of the hosts whose backups are verified. One without a backup is a problem, unless it has attachments
        and O(check_age) is not given.
      - All hosts that have a folder under the root when not given. When there is none, the module fails.
    type: list
    elements: str
    default: []
  latest_only:
    description: Verify only the newest complete backup of each host, and what is newer than it.
    type: bool
    default: false
  check_age:
    description:
      - How many hours ago the last successful backup run of a host may be, before that is a problem. A run counts that
        made the newest complete backup, or found the server as it is in it, as M(lithnet.access_manager.backup_record)
        recorded it. Where no run is recorded, it is the one that made that backup.
    type: float
  copies:
    description:
      - The names of the destinations at which each host's copies are to be, by the name of the host, as
        M(lithnet.access_manager.backup_copy) has them.
      - For a host that is not in it, those that this controller has copied to (O(state_dir)).
    type: dict
    default: {}
  check_copies:
    description:
      - How many hours ago a destination may have had every backup of a host for the last time, before that is a
        problem.
      - A host without a destination is a problem then.
    type: float
  check_drill:
    description:
      - How many days ago the last restore drill of a host that passed may be, before that is a problem.
        M(lithnet.access_manager.drill) records them.
    type: float
  accept_history:
    description:
      - Accept that the newest backups are not those that this controller published last, as after the store was
        restored from a copy, or when the backups of a host were given up. What is there now is what later runs expect.
      - For one run, when an administrator knows why.
    type: bool
    default: false
  fail_on_problems:
    description: Fail when there is a problem. The results are returned in any case, unless there was nothing to verify.
    type: bool
    default: true
  details:
    description:
      - Return RV(backups) and RV(hosts). Without them the result is small, for a fleet of any size. O(report) has them.
    type: bool
    default: true
  report:
    description:
      - Files in which what was found is written on the controller, as M(lithnet.access_manager.backup_report) writes
        them of several verifications.
      - When one cannot be written, the module fails, with all its results. Where each path that is given is empty, no
        report is written.
    type: dict
    suboptions:
      json:
        description: Where the JSON is written.
        type: path
      prometheus:
        description: Where the metrics are written. Node exporter reads only names that end with C(.prom).
        type: path
      html:
        description: Where the page is written.
        type: path
      title:
        description: The heading of the page.
        type: str
        default: Access Manager backups
      expiry_days:
        description: How many days before its end a certificate is a warning.
        type: int
        default: 30
      mode:
        description: The permissions of the files, as four octal digits in quotes.
        type: str
        default: '0600'
seealso:
  - module: lithnet.access_manager.backup_info
  - module: lithnet.access_manager.backup_report
  - module: lithnet.access_manager.backup_prune
"""

EXAMPLES = r"""
- name: Verify all backups without a key
  lithnet.access_manager.backup_verify:
    backup_root: /srv/backup/access-manager

- name: Verify the newest backup of each host, which may not be older than a day and two hours
  lithnet.access_manager.backup_verify:
    backup_root: /srv/backup/access-manager
    latest_only: true
    identity_file: /media/key/access-manager-backup.key
    check_age: 26

- name: Verify all backups, and write a report of them
  lithnet.access_manager.backup_verify:
    backup_root: /srv/backup/access-manager
    details: false
    report:
      prometheus: /var/lib/prometheus/node-exporter/access_manager_backup.prom
      html: /var/www/html/access-manager-backup.html
      mode: '0644'

- name: Verify that all backups were made by the controller
  lithnet.access_manager.backup_verify:
    backup_root: /srv/backup/access-manager
    allowed_signers:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINFgZYk9wKTyaVloHo712+q2cG4qLOUauoJIi5VdY0X5 backup@example.com
"""

RETURN = r"""
backups:
  description: The backups that were verified, by host, the newest first.
  returned: when the root could be read, and O(details)
  type: list
  elements: dict
  contains:
    host:
      description: The name of the host.
      type: str
    id:
      description: The id of the backup.
      type: str
    path:
      description: Its folder.
      type: str
    created:
      description: When its manifest was written, in UTC; null when that cannot be read.
      type: str
    status:
      description: V(complete) or V(incomplete) as the manifest says, V(damaged) when that cannot be read.
      type: str
    verified:
      description:
        - V(none) when the manifest, its signature, an artifact, an age header or the chain of manifests is not as it
          must be.
        - V(integrity) when all these are.
        - V(full) when everything was decrypted and verified besides.
      type: str
    signer:
      description: Which of O(allowed_signers) signed it, as C(principal) and C(fingerprint) of the key; null when none
        is known.
      type: dict
    problems:
      description: What this verification found, one sentence each.
      type: list
      elements: str
    backup_problems:
      description: What made the backup incomplete when it was made.
      type: list
      elements: str
    size:
      description: The bytes of its artifacts.
      type: int
    files:
      description: How many files of the server it holds.
      type: int
    bytes:
      description: The size of those files in clear.
      type: int
    stopped:
      description: Whether the service was stopped for it.
      type: bool
    downtime_ms:
      description: Milliseconds for which it was.
      type: int
    access_manager_version:
      description: The version of Access Manager.
      type: str
    recipients:
      description: The public keys that may decrypt it.
      type: list
      elements: str
    encryption:
      description: V(recipients), V(passphrase) or V(none).
      type: str
    certificates:
      description: The certificates with thumbprint, subject, not_before, not_after, and whether the private key was
        exported.
      type: list
      elements: dict
    secrets:
      description: The path and the mode of each secret, and whether it was exported.
      type: list
      elements: dict
    tls_certificates:
      description: The certificates of the web site, with thumbprint, subject, issuer, names, not_after and endpoints.
      type: list
      elements: dict
    health_warnings:
      description: What was to be looked at on the server when it was backed up, one sentence each.
      type: list
      elements: str
hosts:
  description: The hosts that were asked for.
  returned: when the root could be read, and O(details)
  type: list
  elements: dict
  contains:
    host:
      description: The name of the host.
      type: str
    counts:
      description: How many backups it has that are C(complete), C(incomplete) and C(damaged), whether they were
        verified or not.
      type: dict
    newest:
      description: The id of its newest backup; null when there is none.
      type: str
    newest_complete:
      description: The id of its newest complete backup, by an allowed signer when O(allowed_signers) is set; null when
        there is none.
      type: str
    newest_complete_created:
      description: When the manifest of that was written, in UTC.
      type: str
    age_hours:
      description: How many hours ago that backup was begun, which is the age of its content.
      type: float
    last_success:
      description: When a run last made that backup, or found the server as it is in it, in UTC.
      type: str
    last_success_age_hours:
      description: How many hours ago that was.
      type: float
    last_run:
      description: The last backup run, however it ended, as RV(lithnet.access_manager.backup_record#module:run); null
        when none is recorded.
      type: dict
    last_drill:
      description: >-
        The last restore drill, however it ended, as RV(lithnet.access_manager.drill#module:drill); null when
        none is recorded.
      type: dict
    last_drill_success:
      description: When the last drill ended that passed, in UTC.
      type: str
    last_drill_success_seconds:
      description: How many seconds its recovery took.
      type: float
    last_drill_success_age_days:
      description: How many days ago it ended.
      type: float
    copies:
      description: When each destination of its copies had every backup of it for the last time, as this controller
        recorded.
      type: list
      elements: dict
      contains:
        destination:
          description: The name of the destination.
          type: str
        last_success:
          description: When that was, in UTC; null when it never had.
          type: str
        age_hours:
          description: How many hours ago that was.
          type: float
    attachments:
      description: The names of the attachments beside its backups.
      type: list
      elements: str
    problems:
      description:
        - That there is no backup, no complete one, or no successful run that is recent enough, why its folder cannot be
          listed, that a copy is too old, which backups that this controller published
          are not there any more, and which installers and attachments beside the backups are damaged.
      type: list
      elements: str
accepted_hosts:
  description: The hosts for which O(accept_history) accepted what is there now.
  returned: when the root could be read
  type: list
  elements: str
origin:
  description: One sentence on who made the backups. It says when that is not verified.
  returned: when the root could be read
  type: str
  sample: 3 of 3 backup(s) are signed by an allowed signer.
report:
  description: What became of O(report).
  returned: when the root could be read
  type: dict
  contains:
    written:
      description: Which of the files were not as they are now, and were written.
      type: list
      elements: str
    summary:
      description: The summary of the report, as RV(lithnet.access_manager.backup_report#module:summary).
      type: dict
    problem:
      description: Why a file could not be written.
      type: str
problem_count:
  description: How many problems there are, of hosts and of backups.
  returned: when the root could be read
  type: int
table:
  description: What was found, as lines for a terminal.
  returned: when the root could be read
  type: list
  elements: str
verified_at:
  description: When this verification began, in UTC.
  returned: when the root could be read
  type: str
  sample: '2026-11-23T08:15:00Z'
msg:
  description: The first problems in one text, or that there is none.
  returned: always
  type: str
"""
