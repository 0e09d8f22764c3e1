#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: config_snapshot
short_description: Stages the configuration of Access Manager on its server
version_added: 1.0.0
description:
  - Copies the configuration folder, and the files elsewhere that it names, into a folder that SYSTEM and Administrators
    alone may enter, together with the registry values, the service's settings and the HTTP.sys configuration.
  - A live copy is verified. The hash of every file and C(Metadata.Usn) are the same before and after, or it is made
    again.
  - A copy with a stop runs in a process of its own on the target, which brings the service back whatever happens to the
    connection.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.staging
  - lithnet.access_manager.stop
  - lithnet.access_manager.copy_policy
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each call stages a copy of its own.
  platform:
    support: full
options:
  state:
    description: V(present) takes a snapshot, V(absent) removes the one that O(run_id) names.
    type: str
    choices: [present, absent]
    default: present
  run_id:
    description: The snapshot to remove, as RV(run_id) of the call that took it.
    type: str
seealso:
  - module: lithnet.access_manager.artifact_fetch
  - module: lithnet.access_manager.service
"""

EXAMPLES = r"""
- name: Stage the configuration while the service runs
  lithnet.access_manager.config_snapshot:
    stop_service: never
  register: snapshot

- name: Remove what was staged
  lithnet.access_manager.config_snapshot:
    state: absent
    run_id: "{{ snapshot.run_id }}"
"""

RETURN = r"""
run_id:
  description: The name of the snapshot, for M(lithnet.access_manager.artifact_fetch).
  returned: when O(state=present)
  type: str
  sample: 9f86d081884c7d65
copied:
  description: How the copy was made, C(live) or C(stopped).
  returned: when O(state=present)
  type: str
attempts:
  description: How many copies were made until one was consistent.
  returned: when O(state=present)
  type: int
consistent:
  description: Whether nothing changed while the copy was made. A copy with the service stopped is kept when it is not,
    since other programs may save.
  returned: when O(state=present)
  type: bool
stopped:
  description: Whether the service was stopped for it.
  returned: when O(state=present)
  type: bool
downtime_ms:
  description: Milliseconds from the stop until the service ran again; null when it does not run.
  returned: when O(state=present)
  type: int
stop_ms:
  description: Milliseconds of the downtime that the stop took.
  returned: when O(state=present)
  type: int
unlock_ms:
  description: Milliseconds of the downtime that were spent waiting for the database files.
  returned: when O(state=present)
  type: int
start_ms:
  description: Milliseconds of the downtime that the start took.
  returned: when O(state=present)
  type: int
start_error:
  description: Why the service did not start again; empty when it did. The snapshot is good nevertheless.
  returned: when O(state=present)
  type: str
files:
  description: How many files were staged.
  returned: when O(state=present)
  type: int
bytes:
  description: The size of those files.
  returned: when O(state=present)
  type: int
interrupted_stops:
  description:
    - A sentence for each run that stopped the service and was ended before it started it again. This call starts the
      service then, and the sentence says what became of it.
  returned: when O(state=present)
  type: list
  elements: str
"""
