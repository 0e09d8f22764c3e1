# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service is stopped that could not start again."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  force_stop:
    description:
      - Stop the service although it could not start again. Otherwise that is refused, before anything is done, where
        its start type is disabled, where its account may not log on as a service (error 1069 at its next start), or
        where its JSON files could not be read.
    type: bool
    default: false
"""
