#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_export
short_description: Exports a server's configuration, certificates and secrets into the open backup
version_added: 1.0.0
description:
  - Does in one call what M(lithnet.access_manager.artifact_fetch), M(lithnet.access_manager.certificate_export) and
    M(lithnet.access_manager.secret_export) do one by one. Each part arrives encrypted to a key of its own, which the
    controller makes for this call, and is encrypted at once into the open backup.
  - While the service runs, what was read is verified to be one state of the configuration, or it is read again.
  - With a stop, all is done by a process of its own on the target, which brings the service back whatever happens to
    the connection, and removes the copy before it answers.
author:
  - The lithnet.access_manager contributors (@lithnet)
requirements:
  - cryptography >= 43.0.0
  - pyrage >= 1.2.3
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_parts
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.part
  - lithnet.access_manager.thumbprints
  - lithnet.access_manager.encryption
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
    details: Each part is written once into the open backup.
  platform:
    support: full
options:
  certificate_recipients:
    description: The public keys that may decrypt the certificates. Those of O(recipients) when empty.
    type: list
    elements: str
    default: []
  stop_obstacles:
    description: Sentences on why the service could not start again after a stop. With any, O(stop_service=auto) fails
      rather than stop.
    type: list
    elements: str
    default: []
  expected_bytes:
    description:
      - The size of the files, as M(lithnet.access_manager.installation_info) returned it
        (RV(lithnet.access_manager.installation_info#module:bytes)).
      - More than twice that and 64 MiB is not taken from the server. Never more than 4 GiB are, also when this is not
        given.
    type: int
seealso:
  - module: lithnet.access_manager.installation_info
  - module: lithnet.access_manager.backup_commit
"""

EXAMPLES = r"""
- name: Export all parts
  lithnet.access_manager.backup_export:
    backup_root: /srv/backup/access-manager
    backup_id: "{{ opened.backup_id }}"
    recipients: "{{ access_manager_recipients }}"
    stop_service: never
"""

RETURN = r"""
copied:
  description: How the configuration was copied, C(live) or C(stopped).
  returned: when not in check mode
  type: str
live_attempts:
  description: How often it was read while the service ran.
  returned: when not in check mode
  type: int
consistent:
  description: Whether nothing changed while the copy was made. A copy with the service stopped is kept when it is not,
    since other programs may save.
  returned: when RV(copied) is V(stopped)
  type: bool
stop_ms:
  description: Milliseconds of the downtime that the stop took.
  returned: when RV(copied) is V(stopped)
  type: int
unlock_ms:
  description: Milliseconds of the downtime that were spent waiting for the database files.
  returned: when RV(copied) is V(stopped)
  type: int
start_ms:
  description: Milliseconds of the downtime that the start took.
  returned: when RV(copied) is V(stopped)
  type: int
attempts:
  description: How many copies were made until one was consistent.
  returned: when not in check mode
  type: int
retries:
  description: How often the transfer was tried again.
  returned: when not in check mode
  type: int
stopped:
  description: Whether the service was stopped.
  returned: when not in check mode
  type: bool
downtime_ms:
  description: Milliseconds for which it was; null when it did not start again.
  returned: when not in check mode
  type: int
interrupted_stops:
  description:
    - A sentence for each run that stopped the service and was ended before it started it again. This call starts the
      service then, and the sentence says what became of it.
  returned: when RV(copied) is V(stopped)
  type: list
  elements: str
names_with_spn:
  description: The name of the web site, which needs an SPN where users sign in with Integrated Windows authentication.
    It is for O(lithnet.access_manager.directory_info#module:server), as C(web_names), or as C(guessed_names) when the
    configuration does not set it.
  returned: when not in check mode
  type: dict
notices:
  description:
    - A sentence for each secret that accounts of the domain may decrypt (mode 3), and this run could not, with the
      error.
      The backup is complete without its value, because it restores as it is for those accounts, which the sentence
      names.
  returned: when not in check mode
  type: list
  elements: str
problems:
  description: What makes the backup incomplete, one sentence each.
  returned: when not in check mode
  type: list
  elements: str
"""
