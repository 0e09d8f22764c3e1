# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a configuration is copied: live, or with the service stopped."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  stop_service:
    description:
      - V(auto) copies live, and stops the service only when the configuration changed during each of three copies.
      - V(always) stops the service for the copy, and starts it again if it ran.
      - V(never) fails rather than stop.
      - Where a failover cluster runs the service, a stop is refused until C(Stop-ClusterResource) has stopped it.
    type: str
    choices: [auto, always, never]
    default: auto
  include_database:
    description:
      - Copy the database too. It is a cache, which Access Manager recreates, and it can be copied only while the
        service is stopped.
    type: bool
    default: false
  service_timeout:
    description: How many seconds each wait for the service may take.
    type: int
    default: 120
  lock_timeout:
    description: How many seconds to wait for another run on the same server to end.
    type: int
    default: 300
"""
