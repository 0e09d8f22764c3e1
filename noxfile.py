# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The checks of antsibull-nox that antsibull-nox.toml names. tests/tools/nox.sh runs them.

import antsibull_nox

antsibull_nox.load_antsibull_nox_toml()
