# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification found, as JSON, metrics and a page.

C(report) decides the state of a host, once; C(prometheus) and C(html) only show it. A new figure goes into C(report)
first. The template escapes all text; Python computes where each mark stands, in per cent.
"""
