#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
DOCUMENTATION = r"""
module: run_info
short_description: Says what became of a run on a server
version_added: 1.0.0
description:
  - What stops the service of Access Manager runs on its server, detached from the connection. A module that loses it
    says the id of the run, which goes on by itself. This module says whether it is at work, has ended, or never began.
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
  run_id:
    description: The id of the run, as the message of the module named it.
    type: str
    required: true
  wait_seconds:
    description: How many seconds to wait for its end.
    type: int
    default: 0
seealso:
  - module: lithnet.access_manager.service
  - module: lithnet.access_manager.config_restore
"""

EXAMPLES = r"""
- name: Wait until a run has ended
  lithnet.access_manager.run_info:
    run_id: 9f86d081884c7d65
    wait_seconds: 300
"""

RETURN = r"""
state:
  description:
    - V(running) when it is at work. V(finished) when it has ended, and its result is kept on the server. V(ended) when
      it was ended before it was done, and the next backup or restore starts the service if it left it stopped.
      V(unknown) when nothing is known of it, because it never began, or what it left was removed.
  returned: success
  type: str
run_failed:
  description: Whether a run that has finished says that it failed.
  returned: success
  type: bool
run_msg:
  description: Why it failed, as it says itself; empty when it did not.
  returned: success
  type: str
"""
