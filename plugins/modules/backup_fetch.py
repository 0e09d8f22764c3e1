#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_fetch
short_description: Fetches a backup from a copy in a bucket
version_added: 1.0.0
description:
  - Fetches a backup of a host from a bucket of S3 into a backup root on the controller, where the other modules use it.
    For a restore when the controller or its disk is lost. A copy in a folder needs no fetching, because it is a backup
    root itself.
  - Of each file, the version is taken that the manifest names by its SHA-256, and of the manifest the oldest one that
    is accepted (O(allowed_signers)). So what others deleted or wrote over is found all the same, and a warning says so.
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
  - module: lithnet.access_manager.config_restore
"""

EXAMPLES = r"""
- name: Fetch the newest complete backup of this host
  lithnet.access_manager.backup_fetch:
    source: s3://access-manager-backups/production
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
  returned: success
  type: str
bytes:
  description: The bytes that were written.
  returned: success
  type: int
signer:
  description: Who signed it, by C(principal) and C(fingerprint). V(null) when that is not known.
  returned: success
  type: dict
origin:
  description: Who made it, in a sentence.
  returned: success
  type: str
"""
