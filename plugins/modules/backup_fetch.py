#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_fetch
short_description: Fetches a backup, attachments and installers from a copy in a bucket
version_added: 1.0.0
description:
  - Fetches a backup of a host, or the attachments and installers beside its backups, from a bucket of S3 into a backup
    root on the controller, where the other modules use them. For a restore when the controller or its disk is lost. A
    copy in a folder needs no fetching, because it is a backup root itself.
  - Of each file, the version is taken that the record of its folder (the manifest of a backup) names by its SHA-256,
    and of the record the oldest one that is accepted (O(allowed_signers)). So what others deleted or wrote over is
    found all the same, and a warning says so.
  - Attachments stay encrypted. M(lithnet.access_manager.attachment_extract) decrypts one.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.signing
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: none
  platform:
    support: full
requirements:
  - boto3
options:
  source:
    description: Where the copies are, as V(s3://BUCKET/PREFIX).
    type: str
    required: true
  backup_id:
    description: The backup to fetch, by its id. V(latest) is the newest complete one that is accepted.
    type: str
    default: latest
  include:
    description:
      - What is fetched. V(attachments) and V(installers) are all of the host that O(backup_root) does not have. One
        that is not accepted is a warning. That none is accepted is an error, unless V(backup) is fetched too.
    type: list
    elements: str
    choices: [backup, attachments, installers]
    default: [backup]
  endpoint:
    description: The URL of a server of S3 that is not Amazon's.
    type: str
  region:
    description: The region of the bucket.
    type: str
  profile:
    description: A profile in the configuration of AWS.
    type: str
  access_key:
    description: The access key. Without it, the environment, the profile or the role of the machine gives the
      credentials.
    type: str
  secret_key:
    description: The secret key of O(access_key).
    type: str
  session_token:
    description: The session token of temporary credentials.
    type: str
  ca_file:
    description: The certificates that sign the certificate of the endpoint, as PEM in a file on the controller.
    type: path
  owner:
    description: The account of AWS that must own the bucket.
    type: str
seealso:
  - module: lithnet.access_manager.backup_copy
  - module: lithnet.access_manager.attachment_extract
  - module: lithnet.access_manager.config_restore
"""

EXAMPLES = r"""
- name: Fetch the newest complete backup of this host
  lithnet.access_manager.backup_fetch:
    source: s3://access-manager-backups/production
    backup_root: /srv/restore
    allowed_signers: /etc/access-manager/allowed_signers

- name: Fetch what lies beside the backups
  lithnet.access_manager.backup_fetch:
    source: s3://access-manager-backups/production
    include: [attachments, installers]
    backup_root: /srv/restore
    allowed_signers: /etc/access-manager/allowed_signers
"""

RETURN = r"""
host:
  description: The name of the host.
  returned: success
  type: str
backup_id:
  description: The id of the backup.
  returned: when O(include) has V(backup)
  type: str
bytes:
  description: The bytes of the backup.
  returned: when O(include) has V(backup)
  type: int
signer:
  description: Who signed the backup, by C(principal) and C(fingerprint). V(null) when that is not known.
  returned: when O(include) has V(backup)
  type: dict
origin:
  description: Who made the backup, in a sentence.
  returned: when O(include) has V(backup)
  type: str
fetched:
  description: The attachments and installers that were fetched, by their places below the folder of the host, such as
    C(attachments/20261123T093000Z).
  returned: success
  type: list
  elements: str
attachments:
  description: The attachments in O(backup_root) now, as RV(lithnet.access_manager.backup_info#module:attachments) lists
    them.
  returned: success
  type: list
  elements: dict
installers:
  description: The installers in O(backup_root) now, as RV(lithnet.access_manager.backup_info#module:installers) lists
    them.
  returned: success
  type: list
  elements: dict
"""
