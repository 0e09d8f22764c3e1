# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison of two states of a server, each from a backup or live, by meaning. Changes nothing anywhere.

C(comparison) is the data, C(text) its lines. A new kind of thing is compared in C(comparison) and shown in C(text);
whether it is secret is decided in C(_ams.constants). What cannot be decoded whole is compared as it is, never guessed.
"""
