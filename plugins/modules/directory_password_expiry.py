#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: directory_password_expiry
short_description: Expires the stored passwords that depend on a lost key
version_added: 1.0.0
description:
  - Sets C(lithnetAdminPasswordExpiry) to 0 on computers whose current password only a lost private key could decrypt.
    Their agents then make a new password and encrypt it to the certificate that is published. No other computer is
    touched.
  - Each change holds only while the stored password is exactly the one that was read. In one modification, this value
    is deleted and added again, and the expiry is set. A password that an agent changed meanwhile makes the modification
    fail, and is left alone.
  - This holds on the domain controller that is asked. When an agent stores a new password on another one in the same
    moment, before either change has replicated, the later change wins, and it may be this one, which puts the earlier
    password back. The expiry then has the agent make another one; what it stored in between is lost. Ask the controller
    to which the agents of a site talk, or a time in which few of them do, where this matters.
  - It can be interrupted and run again at any time. What has expired already is not changed again.
  - It goes on only when a published certificate is seen that is none of O(lost_certificates), because agents
    would encrypt to a lost one again. With O(backup_root), a
    backup must hold its key. It refuses when a backup under O(backup_root) holds a key that is said to be lost.
  - It fails when more than O(max_failures) computers could not be changed, and when none of those that were to be
    changed could be.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_directory
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.directory
  - lithnet.access_manager.signing
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
options:
  servers:
    description:
      - A domain controller of each domain, by its DNS name. Referrals are not followed.
    type: list
    elements: str
    required: true
  lost_certificates:
    description:
      - The thumbprints of the certificates whose private keys are lost.
    type: list
    elements: str
    required: true
  backup_root:
    description:
      - The folder on the controller under which the backups of all hosts lie. A key that is in one of them is not lost.
      - Required with O(remove_lost_history).
    type: path
  search_base:
    description:
      - Change only what is below this distinguished name. It needs a single server in O(servers).
    type: str
  filter:
    description:
      - An LDAP filter that computers must match too.
    type: str
  limit:
    description:
      - How many computers to change at most in this run. V(0) is all. The others are read and counted nevertheless.
    type: int
    default: 0
  batch_size:
    description:
      - After how many changed computers O(batch_pause) is waited.
    type: int
    default: 100
  batch_pause:
    description:
      - How many seconds to wait between two batches, so that agents and replication can follow.
    type: int
    default: 0
  remove_lost_history:
    description:
      - Also delete the earlier passwords that depend on a lost key. Those under other keys stay.
    type: bool
    default: false
  max_failures:
    description:
      - How many computers may fail to be changed. The run stops with the next one. It fails with fewer too when no
        computer could be changed.
    type: int
    default: 10
  publish_only_plan:
    description:
      - A folder on the controller, which must exist. What would be changed is written there instead, for a domain
        administrator. It is an LDIF file for each domain, and a PowerShell script with its data. The LDIF file holds
        stored passwords as they are in the directory, encrypted to the lost key. The directory is not changed.
    type: path
seealso:
  - module: lithnet.access_manager.directory_info
  - module: lithnet.access_manager.directory_certificate
"""

EXAMPLES = r"""
- name: Expire what depends on a lost key, a hundred computers each ten minutes
  lithnet.access_manager.directory_password_expiry:
    servers: [dc1.example.com]
    bind_user: recovery@example.com
    bind_password: "{{ vault_recovery_password }}"
    lost_certificates: [6E58119B945A2531B4C73C0CA088664648737510]
    batch_size: 100
    batch_pause: 600
"""

RETURN = r"""
computers:
  description: How many computers with stored passwords were read.
  returned: always
  type: int
lost:
  description: How many of their current passwords depend on a lost key.
  returned: always
  type: int
expired:
  description: How many of these expire by this run, or would.
  returned: always
  type: int
expired_before:
  description: How many had expired already, and wait for their agents.
  returned: always
  type: int
history_deleted:
  description: How many earlier passwords this run deleted, or would.
  returned: always
  type: int
history_gone:
  description: How many earlier passwords were gone when this run came to delete them. The others of the computer were
    deleted nevertheless.
  returned: always
  type: int
changed_meanwhile:
  description:
    - How many computers had another current password when theirs was to expire, or were gone. That password was left
      alone. Run again to look at them again.
  returned: always
  type: int
remaining:
  description: How many more computers are to be changed, which O(limit) left for the next run.
  returned: always
  type: int
failed_computers:
  description: The computers that could not be changed, each with C(computer) and C(reason).
  returned: always
  type: list
  elements: dict
finished:
  description: Whether everything was looked at, and O(limit) left nothing for the next run. A server that went away
    makes it false.
  returned: always
  type: bool
files:
  description: The files that were written to O(publish_only_plan).
  returned: always
  type: list
  elements: str
planned:
  description:
    - Whether nothing was changed in the directory, because of O(publish_only_plan) or check mode.
    - RV(expired) and RV(history_deleted) are then a plan.
  returned: always
  type: bool
summary:
  description:
    - What the run did, one sentence each.
    - How many passwords expire, had expired before, were deleted, had changed meanwhile or could not be changed; which
      computers failed and why; how many computers O(limit) left for the next run; and how many earlier passwords were
      gone already.
  returned: always
  type: list
  elements: str
"""
