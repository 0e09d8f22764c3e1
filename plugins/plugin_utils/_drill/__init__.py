# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill: a backup is restored to a scratch server, tested there, and removed again; a signed record says how it went.

C(choice) decides which host and whether the scratch server may be used; C(scratch) speaks to that server. The restore
itself is that of another server, as a disaster recovery has it.
"""
