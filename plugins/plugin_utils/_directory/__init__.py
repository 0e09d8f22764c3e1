# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Active Directory over LDAP: the published certificate, the census of stored passwords, and their expiry.

Knows no Windows server. C(ldap) is a bound connection, with TLS verified or Kerberos encrypted, and there is no other;
each of its calls ends by a C(deadline), because libldap has none for a handshake. A confidential attribute comes back
empty to an account that may not read it, so each computer's access list is evaluated where nothing else came back.
Changes delete the exact value that was seen and add its successor in one modification: keep that, it is the only
test-and-set there is.
"""
