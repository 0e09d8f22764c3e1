# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification, retention and pruning of a host's backups. Runs on the controller alone; trusts nothing below the root.

C(verification) reads and checks; C(content_verification) compares a decrypted backup with its manifest; C(host_verdict)
says how old the backups, runs, copies and drills of a host may be. C(retention) is a pure function of times, as restic
defines its rules, with local periods; C(pruning) decides what overrules them.
Nothing is removed here: the store does.
"""
