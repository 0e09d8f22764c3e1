# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the Windows server: one call, a detached run, transfers, and what a lost connection means.

All of its answers are hostile: they are reduced to documented keys and checked for their shape before anything uses
them. Which errors mean a lost connection is decided in C(connection_errors), for every connection plugin and library
below it. A new answer, or a new key of one, is added to C(answers), or it is dropped.
"""
