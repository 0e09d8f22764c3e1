# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption with age: parts are encrypted as they arrive, and decrypted in memory.

The words are age's own: recipient, identity. What a header may cost (stanzas, work factor) is bounded before pyrage
sees a file; a new kind of recipient or identity is added in C(encryption) or C(decryption), and its header in
C(header).
"""
