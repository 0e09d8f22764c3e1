#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: migrate_check
short_description: Shows what version 2 of Access Manager has imported of a configuration of version 1
version_added: 1.0.0
description:
  - Looks at a server with version 2 after the playbook C(migrate), and changes nothing. It reads the log of the import,
    which settings were put aside, the registry, numbers and levels of the events of Access Manager, and what
    C(/health-check) answers.
  - What it looks for is from the documents of the vendor. Nobody of this project has run version 2.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.staging
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
  urls:
    description: The addresses of C(/health-check) on the server. Those of the ports for which HTTP.sys has a
      certificate of Access Manager, when not given.
    type: list
    elements: str
    default: []
  events_hours:
    description: How old an error or a warning in the event log of Access Manager may be to count.
    type: float
    default: 24
  fail_on_problems:
    description: Whether the task fails when there is a problem. What is only left to do is none.
    type: bool
    default: true
seealso:
  - module: lithnet.access_manager.config_restore
"""

EXAMPLES = r"""
- name: See what version 2 has imported
  lithnet.access_manager.migrate_check:
    urls: [https://ams.example.com/health-check]
"""

RETURN = r"""
findings:
  description: What was carried over, and what is left.
  returned: when version 2 is installed
  type: list
  elements: dict
  contains:
    thing:
      description: What it is of.
      type: str
    state:
      description: C(done), C(left) for an administrator, C(problem), or C(unknown).
      type: str
    found:
      description: What was found, in a sentence.
      type: str
    advice:
      description: What to do; empty when there is nothing.
      type: str
table:
  description: The same as lines for a terminal.
  returned: when version 2 is installed
  type: list
  elements: str
log_problems:
  description: The lines of the log of the import that tell of an error or a warning, at most 20.
  returned: when version 2 is installed
  type: list
  elements: str
events:
  description: The errors and warnings of the last O(events_hours) in the event log of Access Manager, the newest first,
    at most 200.
  returned: when version 2 is installed
  type: list
  elements: dict
  contains:
    id:
      description: The number of the event.
      type: int
    level:
      description: V(1) critical, V(2) error, V(3) warning.
      type: int
    time:
      description: When it was logged, in UTC.
      type: str
"""
