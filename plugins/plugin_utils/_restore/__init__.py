# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore does: the plan, its text and documents, the bundle for the server, and the way to another server.

The plan is data, made by pure functions from a decrypted backup and the description of a server (C(planner) and the
C(plan_) modules); nothing here changes a server. C(items) has the table of all things: a new one is added there.
C(adapted_backup) rewrites a decrypted backup into what another server would have backed up, so that plan, bundle and
rollback need not know of it.
"""
