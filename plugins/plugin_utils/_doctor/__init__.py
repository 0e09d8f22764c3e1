# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor: what a server and its controller need for backups and restores, one check for each thing.

Checks are data: a name, and a function that reads facts and gives a verdict. A new one is an entry in the table of its
module; what it reads of the server is added to C(facts).
"""
