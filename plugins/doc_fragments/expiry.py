# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long before their end certificates are warned of."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  tls_expiry_days:
    description: How many days before its end the TLS certificate of the web site is a warning.
    type: int
    default: 30
  certificate_expiry_days:
    description: How many days before its end an encryption certificate is a warning.
    type: int
    default: 30
"""
