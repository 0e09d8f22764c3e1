#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: drill
short_description: Makes a scratch server ready for a restore drill, tests its keys, and removes the drill from it
version_added: 1.0.0
description:
  - The steps of a drill around its restore, which the role P(lithnet.access_manager.drill#role) takes in their
    order. Between V(prepared) and V(tested), M(lithnet.access_manager.config_restore) restores the backup with
    O(other_server=true), O(overwrite_configured=true) and O(silence_outgoing=true).
  - V(cleared) refuses a server that is in service, or holds what no drill put there. It records an interrupted drill
    that is marked there as failed, and removes what it left. Until then, M(lithnet.access_manager.config_restore)
    restores nothing else to the server.
  - V(chosen) takes the host whose drill is longest ago.
  - V(prepared) opens the backup, refuses a server that reaches the mail server or a webhook of the configuration, and
    marks it. One that got a mark, a configuration or keys meanwhile is refused.
  - V(tested) has the server decrypt with every key.
  - V(cleaned) puts back what was there before the mark, removes keys, secrets and configuration, and searches for them.
    The mark must be that of this drill.
  - V(recorded) adds the drill to C(.drills.jsonl) beside the backups, signed and chained. It fails when the drill
    failed.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.decryption
  - lithnet.access_manager.restore
  - lithnet.access_manager.signing
  - lithnet.access_manager.signing.key
  - lithnet.access_manager.staging
  - lithnet.access_manager.state
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
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
  state:
    description: Which step.
    type: str
    choices: [cleared, chosen, prepared, tested, cleaned, recorded]
    required: true
  hosts:
    description: The names of the hosts among which V(chosen) chooses. All that have backups under the root when empty.
    type: list
    elements: str
    default: []
  drill_host:
    description: The host whose backup is restored, instead of the one whose drill is longest ago.
    type: str
  in_service:
    description: The servers in service, by their inventory names. None of them may be the scratch server.
    type: list
    elements: str
    default: []
  clean_old:
    description:
      - With V(cleared), remove a drill that began more than a day ago too. See before that the server is not in service
        since then.
    type: bool
    default: false
  source_root:
    description: With V(prepared), where the backup lies, when that is a copy. O(backup_root) when not given.
    type: str
  source_check_owner:
    description: As O(check_backup_owner), for O(source_root).
    type: bool
    default: true
  newest:
    description: With V(prepared), the id that the backup must have, as V(chosen) returned it. A copy whose newest
      backup is another one than that of O(backup_root) is refused.
    type: str
  source:
    description: Where the backup lies that is restored, as the record names it.
    type: str
    default: ""
  started:
    description: When the drill began, in UTC. With V(cleaned), as V(chosen) returned it.
    type: str
  allow_reach:
    description: The names of servers of mail and webhooks that the scratch server may reach.
    type: list
    elements: str
    default: []
  expected_keys:
    description: With V(tested), the thumbprints of the certificates with whose keys the server must decrypt.
    type: list
    elements: str
    default: []
  checks:
    description: With V(tested), the tests of health of the restore, as M(lithnet.access_manager.config_restore)
      returned them. Each must be passed.
    type: list
    elements: dict
    default: []
  service_timeout:
    description: How many seconds the service may take to stop, and to start.
    type: int
    default: 120
  facts:
    description: With V(recorded), what the steps of the drill returned.
    type: dict
    default: {}
  failure:
    description: With V(recorded), why the drill failed. Leave it out when it did not.
    type: str
  failure_of_removal:
    description: With V(recorded), why the drill could not be removed from the scratch server.
    type: str
seealso:
  - module: lithnet.access_manager.config_restore
  - module: lithnet.access_manager.backup_verify
"""

EXAMPLES = r"""
- name: Choose the host whose drill is longest ago
  lithnet.access_manager.drill:
    state: chosen
    backup_root: /srv/backup/access-manager
    in_service: "{{ groups['access_manager'] }}"
  register: chosen

- name: Remove what a drill left on this server
  lithnet.access_manager.drill:
    state: cleared
    backup_root: /srv/backup/access-manager
    in_service: "{{ groups['access_manager'] }}"
"""

RETURN = r"""
chosen:
  description: The host whose backup is restored.
  returned: when O(state=chosen)
  type: str
newest:
  description: The id of its newest complete backup under O(backup_root).
  returned: when O(state=chosen)
  type: str
started:
  description: When the drill began, in UTC.
  returned: when O(state=chosen)
  type: str
backup_id:
  description: The id of the backup that is restored.
  returned: when O(state=prepared)
  type: str
version:
  description: The version of Access Manager that it is of.
  returned: when O(state=prepared)
  type: str
signer:
  description: One sentence on who made it.
  returned: when O(state=prepared)
  type: str
lost_seconds:
  description: How old the last state is that the backup holds (RPO).
  returned: when O(state=prepared)
  type: float
expected_keys:
  description: The thumbprints of the certificates whose keys it holds.
  returned: when O(state=prepared)
  type: list
  elements: str
interrupted:
  description: >-
    The drill that was interrupted on this server and is removed now, with host, source, backup_id, started, controller
    and by; null when there was none.
  returned: when O(state=cleared)
  type: dict
decrypted:
  description: The thumbprints of the certificates with whose keys the server decrypted.
  returned: when O(state=tested)
  type: list
  elements: str
searched:
  description: That a search found nothing of the drill on the server.
  returned: when O(state=cleaned)
  type: bool
drill:
  description: The record of the drill, as docs/format.md describes it.
  returned: when O(state=recorded)
  type: dict
"""
