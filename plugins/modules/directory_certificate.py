#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: directory_certificate
short_description: Publishes an encryption certificate in Active Directory, after its private key was backed up
version_added: 1.0.0
description:
  - Makes a new encryption certificate for a forest, as Access Manager makes its own, or takes one from a backup, and
    publishes it. Agents encrypt to it then.
  - Nothing is published before a backup with the private key lies on the disk, was decrypted from there, and the key
    decrypted what the certificate encrypts.
  - A new certificate is encrypted into a backup of its own, in a folder of the forest's name under O(backup_root). When
    a run is interrupted before it publishes, the next one finds the certificate there. It publishes it when that backup
    is signed by one of O(allowed_signers), or with O(signing_key), or when it is named in O(thumbprint). With
    O(allowed_signers), a new one is only made with a O(signing_key). Nothing else that lies there is ever published,
    since it may be of anybody who can write to the backups.
  - It changes nothing when the published certificate is none of O(lost_certificates), and a backup holds its key.
  - A forest that publishes several certificates is refused, before anything is changed. Which of them an agent takes is
    not known.
  - A failure after a change has C(changed) set, and says what was changed.
  - Afterwards, M(lithnet.access_manager.certificate_import) gives it to the servers.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_directory
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.directory
  - lithnet.access_manager.encryption
  - lithnet.access_manager.state
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
    details: With O(thumbprint=new), each call makes a certificate.
  platform:
    support: full
options:
  server:
    description:
      - A domain controller of the forest, by its DNS name. The account must be allowed to write the certificate there.
    type: str
    required: true
  backup_root:
    description:
      - The folder on the controller under which the backups of all hosts lie. It must exist.
    type: path
    required: true
  host:
    description:
      - The name of the folder for the backups of the forest's certificates. The DNS name of the forest when not given.
    type: str
  lost_certificates:
    description:
      - The thumbprints of the certificates whose private keys are lost. When one of them is published, another takes
        its place.
      - It is refused when a backup holds one of these keys.
    type: list
    elements: str
    default: []
  thumbprint:
    description:
      - Publish this certificate, whose private key is in a backup under O(backup_root), of any host. It may be any
        certificate with an RSA key that is valid now. That it is not one that Access Manager makes for this forest is a
        warning.
      - V(new) makes a new certificate although an interrupted run may have left one.
    type: str
  identity_file:
    description:
      - The file on the controller with the private key that decrypts the backup, as C(age-keygen) writes it, or an SSH
        private key without a passphrase. It is needed to verify that the backup can be decrypted, unless O(passphrase)
        or O(encryption=none) is used.
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
  publish_only_plan:
    description:
      - A folder on the controller, which must exist. What would be published is written there instead, for a domain
        administrator. These are the certificate, an LDIF file and a PowerShell script. The directory is not changed.
    type: path
seealso:
  - module: lithnet.access_manager.directory_info
  - module: lithnet.access_manager.directory_password_expiry
  - module: lithnet.access_manager.certificate_import
"""

EXAMPLES = r"""
- name: Make and publish a new certificate in place of a lost one
  lithnet.access_manager.directory_certificate:
    server: dc1.example.com
    bind_user: recovery@example.com
    bind_password: "{{ vault_recovery_password }}"
    backup_root: /srv/backup/access-manager
    recipients: "{{ access_manager_recipients }}"
    identity_file: /media/key/access-manager-backup.key
    lost_certificates: [6E58119B945A2531B4C73C0CA088664648737510]
"""

RETURN = r"""
forest:
  description: The DNS name of the forest.
  returned: success
  type: str
made:
  description: Whether a new certificate was made, or would be in check mode.
  returned: success
  type: bool
published:
  description: Whether the certificate is published now.
  returned: success
  type: bool
certificate:
  description: The certificate, with C(thumbprint), C(subject), C(not_before) and C(not_after). Null in check mode when
    a new one would be made.
  returned: success
  type: dict
previous:
  description: The certificate that was published before, likewise; null when there was none.
  returned: success
  type: dict
backup:
  description: The C(host) and C(id) of the backup with its private key. Null in check mode when a new one would be
    made.
  returned: success
  type: dict
verified:
  description: Whether the backup was decrypted and the key verified in this run. It is not when nothing had to be
    published.
  returned: success
  type: bool
files:
  description: The files that were written to O(publish_only_plan).
  returned: success
  type: list
  elements: str
"""
