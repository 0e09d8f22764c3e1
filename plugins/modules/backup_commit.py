#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_commit
short_description: Opens, publishes or discards a backup on the controller
version_added: 1.0.0
description:
  - A backup is made in a folder C(.partial-ID) and published by renaming it, after every artifact was checked. Readers
    never see half a backup.
  - It decrypts no backup when the newest complete one holds the same content, encrypted to the same recipients. With
    O(signing_key) or O(allowed_signers), that one must be signed by an allowed signer, or by the same key when none are
    set.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.state
  - lithnet.access_manager.encryption
  - lithnet.access_manager.signing
  - lithnet.access_manager.signing.key
  - lithnet.access_manager.root
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: V(opened) changes nothing when the newest complete backup holds the same content. A backup is published or
      discarded once.
  platform:
    support: full
options:
  state:
    description:
      - V(checked) makes sure that the encryption, the backup root and O(signing_key) can be used, and changes nothing.
        The key signs something for it.
      - V(known) returns the RV(thumbprints) that the newest complete backup knows, and changes nothing.
      - V(opened) makes the folder of a new backup, unless nothing has changed.
      - V(committed) publishes the backup O(backup_id).
      - V(discarded) removes the unpublished backup O(backup_id).
      - V(attached) keeps O(attachments), and does nothing else.
    type: str
    choices: [checked, known, opened, committed, discarded, attached]
    default: committed
  backup_id:
    description: The backup to publish or discard, as RV(backup_id) of the call that opened it.
    type: str
  certificate_recipients:
    description: The recipients of the certificates, when they are not O(recipients).
    type: list
    elements: str
    default: []
  inventory:
    description: What the server holds now, as M(lithnet.access_manager.installation_info) returned it. Required to open
      a backup.
    type: dict
  directory:
    description:
      - What M(lithnet.access_manager.directory_info) returned. It is written into the manifest. The backup is
        incomplete when passwords in the directory depend on a key that neither it nor an older backup holds, and when
        that module failed.
    type: dict
  force:
    description: Open a backup even when nothing has changed.
    type: bool
    default: false
  health_warnings:
    description: What RV(lithnet.access_manager.installation_info#module:health_warnings) says. It stands in the
      manifest, and reports show it.
    type: list
    elements: str
    default: []
  installer:
    description:
      - The MSI of Access Manager Service on the controller, with O(state=opened). It is kept once for each version as
        C(HOST/installers/VERSION/installer.msi) under
        O(backup_root), with a record that O(signing_key) signs, because the vendor offers version 1 no more. Also
        when nothing has changed.
      - It must be the MSI of O(installed); another one is not kept, with a warning.
        M(lithnet.access_manager.backup_verify) verifies what is kept, and
        M(lithnet.access_manager.backup_prune) removes it with the last backup of its version.
    type: path
  attachments:
    description:
      - Files on the controller that are kept beside the backups, with O(state=opened) or O(state=attached), as
        C(HOST/attachments/ID) under O(backup_root), each encrypted as the certificates are, with a record that
        O(signing_key) signs. For what only a person can export, such as a recovery password. Also when nothing has
        changed. None is kept that O(allowed_signers) would not accept afterwards.
      - One whose content is kept already is not kept again. One with another content is kept beside the earlier one.
        A file that was kept need not stay on the controller.
      - Nothing removes them. M(lithnet.access_manager.backup_verify) verifies them, and
        M(lithnet.access_manager.attachment_extract) decrypts one.
    type: list
    elements: path
    default: []
  installed:
    description: What RV(lithnet.access_manager.installation_info#module:installer) says.
    type: dict
  expected_bytes:
    description: The size that the backup may have. The backup root must have that much space.
    type: int
    default: 0
seealso:
  - module: lithnet.access_manager.backup_export
  - module: lithnet.access_manager.artifact_fetch
  - module: lithnet.access_manager.certificate_export
  - module: lithnet.access_manager.secret_export
  - module: lithnet.access_manager.backup_verify
  - module: lithnet.access_manager.attachment_extract
"""

EXAMPLES = r"""
- name: Open a backup
  lithnet.access_manager.backup_commit:
    state: opened
    backup_root: /srv/backup/access-manager
    recipients: "{{ access_manager_recipients }}"
    allowed_signers: "{{ access_manager_allowed_signers }}"
    inventory: "{{ ams.inventory }}"
  register: opened

- name: Publish it
  lithnet.access_manager.backup_commit:
    backup_root: /srv/backup/access-manager
    backup_id: "{{ opened.backup_id }}"
    signing_key: /root/.ssh/access-manager-backup
    allowed_signers: "{{ access_manager_allowed_signers }}"
  when: not opened.unchanged
"""

RETURN = r"""
started:
  description: When the checks were made, in UTC, for M(lithnet.access_manager.backup_record).
  returned: when O(state=checked)
  type: str
  sample: '2026-11-23T08:15:00Z'
thumbprints:
  description: Of which certificates the newest complete backup has the private keys. They are looked for when the
    directory does not say which it names.
  returned: when O(state=known)
  type: list
  elements: str
backup_id:
  description: The id of the backup that was begun.
  returned: when O(state=opened), something has changed, and not in check mode
  type: str
  sample: 20261123T081500Z
unchanged:
  description: Whether the newest complete backup holds the same content.
  returned: when O(state=opened)
  type: bool
latest:
  description: That backup.
  returned: when RV(unchanged) is true
  type: dict
comparison:
  description: The names of what was added, changed and removed since the newest complete backup.
  returned: when O(state=opened) and something has changed
  type: dict
id:
  description: The id of the backup.
  returned: when O(state=committed)
  type: str
installer:
  description:
    - The MSI that Access Manager was installed from, with C(product_code), C(version), C(name), and the C(sha256) of
      the copy that Windows Installer keeps,
      which is empty when there is none.
  returned: when O(state=committed), and Windows Installer knows it
  type: dict
installer_problem:
  description: Why O(installer) is not kept; empty when it is.
  returned: when O(state=opened)
  type: str
kept_attachments:
  description: The names of the O(attachments) that were not kept yet, and are now.
  returned: when O(state=opened) or O(state=attached)
  type: list
  elements: str
attachment_problems:
  description: Why others are not kept, one sentence each.
  returned: when O(state=opened) or O(state=attached)
  type: list
  elements: str
status:
  description: C(complete), or C(incomplete) when there are RV(problems).
  returned: when O(state=committed)
  type: str
problems:
  description: What makes the backup incomplete, one sentence each.
  returned: when O(state=committed)
  type: list
  elements: str
path:
  description: The folder of the backup.
  returned: when O(state=committed)
  type: str
files:
  description: How many files of the server it holds.
  returned: when O(state=committed)
  type: int
bytes:
  description: The size of those files.
  returned: when O(state=committed)
  type: int
size:
  description: The size of the backup.
  returned: when O(state=committed)
  type: int
certificates:
  description: The certificates, and whether each was exported.
  returned: when O(state=committed)
  type: list
  elements: dict
secrets:
  description: The path and the mode of each secret, and whether it was exported.
  returned: when O(state=committed)
  type: list
  elements: dict
stopped:
  description: Whether the service was stopped for it.
  returned: when O(state=committed)
  type: bool
downtime_ms:
  description: Milliseconds for which it was; null when it did not start again.
  returned: when O(state=committed)
  type: int
health_warnings:
  description: What is to be looked at on the server, one sentence each. None of it makes the backup incomplete.
  returned: when O(state=committed)
  type: list
  elements: str
tls_certificates:
  description: The certificates of the web site, with thumbprint, subject, issuer, names, not_after and endpoints.
  returned: when O(state=committed)
  type: list
  elements: dict
content_digest:
  description: A digest of what was backed up; the same for the same content.
  returned: when O(state=committed)
  type: str
directory:
  description: The census, when O(directory) was given and the passwords were counted.
  returned: when O(state=committed) and there is one
  type: dict
signer:
  description: Who signed it, as C(principal) and C(fingerprint) of the key; null when O(signing_key) is not set.
  returned: when O(state=committed)
  type: dict
  sample: {principal: backup@example.com, fingerprint: "SHA256:mVnu60xMvGtnSfvOaFr3DJX5Ih7MhhQ0wVCYgPZgdzY"}
host:
  description: The name under which the backup lies.
  returned: when O(state=committed)
  type: str
"""
