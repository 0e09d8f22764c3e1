# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the parts of a backup are encrypted."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  encryption:
    description:
      - V(age) encrypts with L(age,https://age-encryption.org) to O(recipients) or under O(passphrase).
      - V(none) writes the backup in clear. It must be asked for by name.
    type: str
    choices: [age, none]
    default: age
  recipients:
    description:
      - The public keys that may decrypt the backup, as age (C(age1...)) or SSH (C(ssh-ed25519 ...), C(ssh-rsa ...))
        writes them.
      - An age plugin's (such as C(age1yubikey1...)) needs its program C(age-plugin-NAME) on the controller's C(PATH).
        C(age1tag1...) and the post-quantum C(age1tagpq1...), of hardware keys, need pyrage 1.4 or newer and no program.
      - Each of them alone can decrypt it. The controller needs none of the private keys.
    type: list
    elements: str
    default: []
  passphrase:
    description:
      - A passphrase of at least 12 characters to encrypt under, instead of O(recipients).
    type: str
"""
