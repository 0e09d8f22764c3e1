# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who signs backups, and whose are accepted."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  allowed_signers:
    description:
      - Whose backups are accepted, as a list of SSH public keys (C(ssh-ed25519 AAAA... name)) or of lines of an OpenSSH
        C(allowed_signers) file, or as the path of such a file on the controller. Keep it outside the backup root.
      - When it is set, a backup is used only when its C(manifest.json.sig) is the signature of its manifest by one of
        these keys, in the namespace C(backup@lithnet.access_manager). When it is not set, the origin of backups is not
        verified.
      - Needs C(ssh-keygen) of OpenSSH 8.2 or newer on the controller.
    type: raw
  allow_unsigned:
    description: Accept backups of any origin in spite of O(allowed_signers). For one run, when an administrator knows
      where a backup comes from.
    type: bool
    default: false
"""

    KEY = r"""
options:
  signing_key:
    description:
      - The SSH key on the controller that signs the manifest of the backup. A private key of mode C(0600) without a
        passphrase, or the public key (C(.pub)) of one that C(ssh-agent) or a security key holds.
      - The key is tried before anything is asked of the server. What it signs must be accepted by O(allowed_signers),
        when these are set.
      - Needs C(ssh-keygen) of OpenSSH 8.2 or newer on the controller. Nothing is ever asked for.
    type: path
"""
