#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: run_end
short_description: Ends the run of a host as failed, or as unreachable
version_added: 1.0.0
description:
  - Ansible ends a host as unreachable at once, before anything can be cleaned up, noted or shown. The modules of this
    collection fail instead, with C(reachable=false), and the roles end the host with this module when all that is done.
  - C(ignore_unreachable) and C(max_fail_percentage) see the host as they see any other.
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
    support: full
  platform:
    support: full
seealso:
  - module: lithnet.access_manager.installation_info
options:
  failure:
    description: Why the run failed.
    type: str
    required: true
  reachable:
    description: Whether the host was reached. The host ends as failed then, and as unreachable else.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: End the host as it failed, at the end of a rescue section
  lithnet.access_manager.run_end:
    failure: "{{ ansible_failed_result.msg }}"
    reachable: "{{ ansible_failed_result.reachable | default(true) }}"
"""

RETURN = r"""
reachable:
  description: Whether the host was reached.
  returned: always
  type: bool
"""
