#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_prune
short_description: Removes backups of a host that no rule keeps
version_added: 1.0.0
description:
  - The rules are those of C(restic forget). Each counts by itself, and a backup that one rule keeps counts for the
    others too. Of each of the last periods that have a backup, the newest backup is kept. While a rule has counts left
    at the end, the oldest backup is kept as well.
  - Periods are those of the controller's time zone. Weeks begin on Monday. When a backup was made is what its id says;
    no other clock counts.
  - Only complete backups count in which verification finds no problem. One with a problem is neither counted nor
    removed, and named in a warning. Those that the rules keep are decrypted and verified when there is a key for it
    (O(identity_file), O(passphrase)).
  - With O(allowed_signers), only backups that one of them signed count. Without signers and without a key, manifests
    are believed, and who can add backups to the root can push genuine ones out of the rules that count. O(keep_within)
    keeps what is younger than its time, whatever is added. It is the rule for a root where others can add and nobody
    else can delete.
  - The complete backup that this controller published last (O(state_dir)) is kept. From a root that went back in time
    nothing is removed.
  - An incomplete backup is removed once a newer one is complete.
  - A O(host) that is named and has no folder under the root is refused.
  - The newest backup that holds a private key is never removed when no backup holds it that the rules keep.
  - What is removed is recorded first in the host's folder, so that M(lithnet.access_manager.backup_verify) does not
    miss it. It then loses its name, so that no reader sees half a backup, and is deleted. The record is signed with
    O(signing_key). With O(allowed_signers) that is required, because only a signed record excuses that a backup is
    missing.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.state
  - lithnet.access_manager.signing
  - lithnet.access_manager.signing.key
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
options:
  keep_last:
    description: Keep this many of the newest backups. V(-1) keeps all, here and in the other rules that count.
    type: int
    default: 0
  keep_hourly:
    description: Keep the newest backup of each of this many hours that have one.
    type: int
    default: 0
  keep_daily:
    description: Keep the newest backup of each of this many days that have one.
    type: int
    default: 0
  keep_weekly:
    description: Keep the newest backup of each of this many weeks that have one.
    type: int
    default: 0
  keep_monthly:
    description: Keep the newest backup of each of this many months that have one.
    type: int
    default: 0
  keep_yearly:
    description: Keep the newest backup of each of this many years that have one.
    type: int
    default: 0
  keep_within:
    description:
      - Keep all backups made within this time before the newest one, as years, months, days and hours, such as
        V(1y6m14d12h).
    type: str
  identity_file:
    description:
      - The file on the controller with the private key that decrypts the backups, as C(age-keygen) writes it, or an SSH
        private key without a passphrase. With it, the backups that the rules keep are decrypted, and only those count
        that are verified.
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
    description: The passphrase that decrypts them instead.
    type: str
  forget:
    description:
      - The ids of backups that were deleted by hand. They are recorded as removed, so that
        M(lithnet.access_manager.backup_verify) does not miss them any more.
    type: list
    elements: str
    default: []
seealso:
  - module: lithnet.access_manager.backup_info
  - module: lithnet.access_manager.backup_verify
"""

EXAMPLES = r"""
- name: Keep a week of days, a month of weeks, and a year of months
  lithnet.access_manager.backup_prune:
    backup_root: /srv/backup/access-manager
    keep_daily: 7
    keep_weekly: 4
    keep_monthly: 12

- name: Show what would go if everything of the last quarter was kept
  lithnet.access_manager.backup_prune:
    backup_root: /srv/backup/access-manager
    keep_within: 3m
  check_mode: true
"""

RETURN = r"""
host:
  description: The name of the host.
  returned: success
  type: str
kept:
  description: The backups that stay, oldest first, with the reasons for each.
  returned: success
  type: list
  elements: dict
  sample:
    - id: 20261123T081500Z
      reasons: [daily, the last private key of certificate 6E58119B945A2531B4C73C0CA088664648737510]
removed:
  description: The backups that were removed, or would be in check mode, oldest first, with reason and size in bytes.
  returned: success
  type: list
  elements: dict
doubtful:
  description: The backups that were neither counted nor removed, with what is wrong with each.
  returned: success
  type: list
  elements: dict
removed_installers:
  description: The versions whose kept installers were removed, because the last backup of each was.
  returned: success
  type: list
  elements: str
forgotten:
  description: The ids of O(forget).
  returned: success
  type: list
  elements: str
freed:
  description: The bytes of the artifacts that were removed.
  returned: success
  type: int
"""
