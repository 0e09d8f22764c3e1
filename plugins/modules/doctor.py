#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: doctor
short_description: Examines whether a server and the controller are ready for backups and restores
version_added: 1.0.0
description:
  - Examines the controller, the destinations of copies, the connection, the account, Windows and its policies, Access
    Manager, its certificates and secrets, HTTP.sys, and the space that backups and restores need. Each check has one
    finding that says V(ok), V(warning) or V(failure), what was found, and what to do.
  - It reads, and starts a run outside its shell that does nothing, because a stop and a restore need such a run. What
    that run makes in the staging folder is removed.
  - A server that cannot be reached is a finding too.
  - It needs three processes on the server, and a fourth where a scheduled task has to start the run.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.expiry
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.copies
  - lithnet.access_manager.encryption
  - lithnet.access_manager.signing
  - lithnet.access_manager.signing.key
  - lithnet.access_manager.staging
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.root
  - lithnet.access_manager.state
attributes:
  check_mode:
    support: full
    details: The run outside its shell, and with it the probes, are left out.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
options:
  backup_root:
    description: The folder on the controller under which the backups of all hosts lie. It is a failure when none is
      named.
    type: path
  host:
    description:
      - The name under which the host's backups lie.
      - The inventory name of the host when not given.
    type: str
  certificate_recipients:
    description: The recipients of the certificates, when they are not O(recipients).
    type: list
    elements: str
    default: []
  keep:
    description:
      - The rules by which backups are kept, as M(lithnet.access_manager.backup_prune) has them, without C(keep_). The
        lock of a bucket is to last as long.
    type: dict
    default: {}
    suboptions:
      last:
        description: How many of the newest backups.
        type: int
      hourly:
        description: For how many hours.
        type: int
      daily:
        description: For how many days.
        type: int
      weekly:
        description: For how many weeks.
        type: int
      monthly:
        description: For how many months.
        type: int
      yearly:
        description: For how many years.
        type: int
      within:
        description: All backups within this time before the newest.
        type: str
  probes:
    description:
      - Also make things on the server, look at them, and take them away. These are files in the staging folder and in
        that of safety copies, a registry key, a URL reservation and a TLS binding on ports that nobody uses (59999 and
        59998), and a throwaway key in a certificate store of its own.
      - The configuration folder gets the time that it has, and the event logs are searched for the password of that
        key.
      - What an earlier call left because it was ended is removed first.
    type: bool
    default: false
  lock_timeout:
    description: How many seconds to wait for another run on the same server to end.
    type: int
    default: 60
  fail_on:
    description: Which state of a finding makes the module fail. With V(never) what is found is returned whatever it is.
    type: str
    choices: [warning, failure, never]
    default: failure
seealso:
  - module: lithnet.access_manager.installation_info
"""

EXAMPLES = r"""
- name: Examine a server before its first backup
  lithnet.access_manager.doctor:
    backup_root: /srv/backup/access-manager
    recipients: "{{ access_manager_recipients }}"
    signing_key: ~/.ssh/access_manager_backup
  register: examined

- name: Show what is not in order
  ansible.builtin.debug:
    msg: "{{ examined.findings | rejectattr('state', 'equalto', 'ok') }}"
"""

RETURN = r"""
state:
  description: The worst state of a finding.
  returned: always
  type: str
  sample: ok
findings:
  description: What was found, one element for each check, in the order of the checks.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: What was examined.
      type: str
      sample: detached run
    state:
      description: V(ok), V(warning) or V(failure).
      type: str
      sample: ok
    found:
      description: What was found, in a sentence.
      type: str
      sample: A run leaves the job of its shell (breakaway), is in no job, and its result comes back.
    advice:
      description: What to do about it; empty when the state is V(ok).
      type: str
"""
