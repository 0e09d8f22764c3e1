# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What decrypts a backup."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  identity_file:
    description:
      - The file on the controller with the private key that decrypts the backup, as C(age-keygen) or an age plugin
        writes it, or an SSH private key without a passphrase. A file of age keys may hold several. It may be encrypted
        with C(age -p).
    type: path
  identity:
    description:
      - The private key itself, from a lookup or a credential, instead of O(identity_file). It is in no result and no
        message.
    type: str
  identity_passphrase:
    description:
      - The passphrase of an identity that C(age -p) encrypted, or the PIN for which an age plugin asks.
      - A wrong one is given to a plugin for one file only, because a hardware token locks itself.
    type: str
  passphrase:
    description:
      - The passphrase under which the backup is encrypted.
    type: str
  encryption:
    description:
      - Whether a part in clear is accepted although O(identity_file), O(identity) or O(passphrase) is given.
      - V(age) refuses it, whatever the manifest says. Who can write to the store could have put it in the place of an
        encrypted one.
      - V(none) accepts it, as in a backup that was made with V(none). Encrypted parts are decrypted as well.
    type: str
    choices: [age, none]
    default: age
"""
