# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a backup: what a server is asked for, and the encrypted artifact that is made of its answer.

What arrives is encrypted at once. A part that is added here gets a class of its own, its shape in _target/answers.py,
its place in the backup in _store/manifest.py, and is exported by backup_export.
"""
