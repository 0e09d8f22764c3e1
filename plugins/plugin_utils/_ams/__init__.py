# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of Access Manager: its files, registry values and JSON, and what a server says of itself.

What AMS names, protects or keeps is in C(constants), in one place for both halves: a JSON key that names a file or a
secret is added there and nowhere else. C(checks) says what keeps a server from being backed up, and what makes a backup
incomplete.
"""
