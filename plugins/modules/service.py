#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: service
short_description: Starts, stops, restarts or recovers Access Manager and waits until it is done
version_added: 1.0.0
description:
  - Brings the service C(lithnetams) into a state. A stop waits for the process to end and for the database files to be
    unlocked.
  - Where a failover cluster runs the service, a stop is refused. Use C(Stop-ClusterResource) and
    C(Start-ClusterResource) there.
  - The work is done by a process of its own on the target, so that a restart ends with the service running even when
    the connection breaks. O(state=recovered) needs none.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.staging
  - lithnet.access_manager.stop
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: V(restarted) restarts each time.
  platform:
    support: full
options:
  state:
    description:
      - The state to bring the service into. V(restarted) always restarts it.
      - V(recovered) starts it only where a run stopped it and was ended before it started it again, and removes what
        runs left on the server that were ended more than a day ago.
    type: str
    choices: [started, stopped, restarted, recovered]
    required: true
  service_timeout:
    description: How many seconds each wait may take, for the stop, the process, the database files and the start.
    type: int
    default: 120
  lock_timeout:
    description: How many seconds to wait for another run on the same server to end.
    type: int
    default: 300
seealso:
  - module: lithnet.access_manager.config_snapshot
  - module: lithnet.access_manager.config_restore
"""

EXAMPLES = r"""
- name: Stop Access Manager before its server is moved
  lithnet.access_manager.service:
    state: stopped
"""

RETURN = r"""
status_before:
  description: The state in which the service was found.
  returned: success
  type: str
  sample: Running
status:
  description: The state of the service now.
  returned: success
  type: str
  sample: Stopped
stop_ms:
  description: Milliseconds until the service was stopped and its process had ended.
  returned: success
  type: int
unlock_ms:
  description: Milliseconds until its database files were unlocked.
  returned: success
  type: int
start_ms:
  description: Milliseconds until the service ran.
  returned: success
  type: int
interrupted_stops:
  description:
    - A sentence for each run that stopped the service and was ended before it started it again. This call starts the
      service then, before anything else, and the sentence says what became of it.
  returned: success, not in check mode
  type: list
  elements: str
"""
