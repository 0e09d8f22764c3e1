#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_diff
short_description: Shows what differs between two backups, or between a backup and its server
version_added: 1.0.0
description:
  - Compares by meaning. Rules and notification channels are compared by their C(Id), whatever their order. The security
    descriptor of a rule is decoded to who gains and who loses which right. Files, permissions, certificates, registry
    values, HTTP.sys and service settings are compared too.
  - Secrets are reported as changed or unchanged only, never by their values. That holds for protected secrets, for the
    connection string, the URLs of webhooks and the licence, and for every key whose name says that it may hold a
    secret.
  - Contents are compared when O(identity_file) or O(passphrase) decrypts the backups, or when they are not encrypted.
    Otherwise the inventories of the manifests are compared. They show which things differ, and not how. RV(basis) says
    which it was.
  - Nothing is written, neither on the controller nor on the server. The live server is asked by one call, and by a
    second one for its configuration when contents are compared. What it sends is encrypted for this call and held in
    memory.
  - RV(changed) is V(true) when the two differ, so that C(--diff) shows the difference and handlers can be notified.
author:
  - The lithnet.access_manager contributors (@lithnet)
requirements:
  - cryptography >= 43.0.0
  - pyrage >= 1.2.3
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.decryption
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.state
  - lithnet.access_manager.signing
  - lithnet.access_manager.staging
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
  before:
    description:
      - The backup that counts as the older side. V(previous) is the newest complete backup before O(after), V(latest)
        the newest complete one.
      - Otherwise an id, or a path on the controller. Anything with a slash is a path, to the folder of a backup, or to
        a C(config.zip.age) or C(config.zip) alone.
    type: str
    default: previous
  after:
    description:
      - V(live) for the server as it is now. V(latest), an id or a path for a backup, as in O(before).
      - A backup needs no server. The host may be unreachable then.
    type: str
    default: live
  lock_timeout:
    description: How many seconds to wait for another run on the same server to end.
    type: int
    default: 300
seealso:
  - module: lithnet.access_manager.backup_info
"""

EXAMPLES = r"""
- name: Show what was changed on the server since its last backup
  lithnet.access_manager.backup_diff:
    backup_root: /srv/backup/access-manager
    identity_file: /media/key/access-manager-backup.key
  register: drift

- name: Show it
  ansible.builtin.debug:
    var: drift.lines

- name: Show what changed between the last two backups, without a key
  lithnet.access_manager.backup_diff:
    backup_root: /srv/backup/access-manager
    after: latest

- name: Fail when an account gains a right between two backups
  lithnet.access_manager.backup_diff:
    backup_root: /srv/backup/access-manager
    identity_file: /media/key/access-manager-backup.key
    before: 20261101T020000Z
    after: 20261123T020000Z
  register: difference
  failed_when: >-
    difference is failed
    or difference.rules | map(attribute='gained') | flatten | length > 0
    or difference.rules | rejectattr('decoded') | length > 0
"""

RETURN = r"""
changed:
  description: Whether the two differ. Nothing was written.
  returned: success
  type: bool
differs:
  description: The same as RV(changed).
  returned: success
  type: bool
before:
  description: What the older side is.
  returned: success
  type: str
  sample: backup 20261122T020000Z of ams1.example.com
after:
  description: What the newer side is.
  returned: success
  type: str
  sample: AMS1 now
basis:
  description:
    - What was compared. C(contents), or C(inventory) when there was no key.
    - With C(inventory), RV(rules), RV(notification_channels), RV(authentication), RV(settings), RV(secrets),
      RV(registry) and RV(http_sys) are null, and RV(server) has C(registry), C(http_sys), C(service), C(firewall) and
      C(version) as a whole.
  returned: success
  type: str
  sample: contents
not_compared:
  description: A sentence for each thing that could not be compared.
  returned: success
  type: list
  elements: str
lines:
  description: All differences for people, in lines.
  returned: success
  type: list
  elements: str
rules:
  description:
    - The authorization rules that differ, each with C(change) (C(added), C(removed), C(changed)), C(id), C(name),
      C(target), C(file), C(settings), C(gained), C(lost) and C(decoded).
    - C(gained) and C(lost) list C(access) (C(allow) or C(deny)), C(trustee) (a SID), C(name) (of the trustee; null when
      it has none that is the same everywhere) and C(right), and C(condition) if there is one. An entry with C(deny) in
      C(gained) means that the trustee is denied the right now.
    - C(decoded) is false when a part of a security descriptor could not be decoded. Accounts may have more or fewer
      rights then than are listed, and the descriptor itself is in C(settings).
    - A security descriptor without an access list gives everyone all rights, and is marked so.
    - A rule gives nothing while it is disabled, or when a script decides.
  returned: success
  type: list
  elements: dict
  sample:
    - change: changed
      id: 00000068-29d7-4efd-bfd8-17d1512f609f
      name: Access to SQL servers Berlin
      target: OU=SQL servers Berlin,OU=Computers,DC=forest,DC=example
      file: appsettings.json
      settings: []
      gained:
        - {access: allow, trustee: S-1-5-11, name: Authenticated Users, right: local admin password}
      lost: []
      decoded: true
notification_channels:
  description:
    - The notification channels that differ, each with C(change), C(kind) (C(Mail), C(Webhook), C(PowerShell)), C(id),
      C(name), C(file) and C(settings).
  returned: success
  type: list
  elements: dict
authentication:
  description:
    - The settings below C(Authentication) that differ, each with C(change), C(path), C(before), C(after), C(secret) and
      C(file).
    - C(before) and C(after) are null where C(secret) is true.
  returned: success
  type: list
  elements: dict
settings:
  description: The other settings of the JSON files that differ, as in RV(authentication).
  returned: success
  type: list
  elements: dict
secrets:
  description:
    - The protected secrets that differ, each with C(path) and C(change).
    - C(change) is C(added), C(removed), C(changed), C(protected_again) (the value is the same), or C(unknown) (it is
      protected again, and the clear value is not known on both sides).
  returned: success
  type: list
  elements: dict
certificates:
  description:
    - The certificates that differ, each with C(change), C(thumbprint), C(subject), C(not_before), C(not_after),
      C(exported) and C(what).
    - C(exported) is whether the private key is in the backup, or can be backed up from the live server. C(what) lists
      C(exported) or C(key) when C(change) is C(changed).
    - Null when a backup has no manifest.
  returned: success
  type: list
  elements: dict
files:
  description:
    - The files and folders that differ, each with C(change), C(path) (its name in the backup), C(source) (its path on
      the server), C(what), C(gained), C(lost) and C(decoded).
    - C(what) lists C(content), C(attributes) and C(permissions). C(gained) and C(lost) are permissions, and C(decoded)
      is as in RV(rules).
    - The database is left out, because it is a cache.
  returned: success
  type: list
  elements: dict
registry:
  description: The registry values that differ, each with C(change), C(key), C(name), C(before), C(after) and C(secret).
  returned: success
  type: list
  elements: dict
http_sys:
  description:
    - Access Manager's TLS bindings and URL reservations that differ, each with C(change), C(kind) (C(binding),
      C(reservation)), C(name), C(before) and C(after). Of a binding these are its thumbprint and, in words, the
      parameters that are not as Windows makes them.
  returned: success
  type: list
  elements: dict
server:
  description:
    - Version, service settings, firewall rules and overriding environment variables that differ, each with C(change),
      C(name), C(before), C(after) and C(secret).
  returned: success
  type: list
  elements: dict
"""
