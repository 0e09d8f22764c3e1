#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: backup_copy
short_description: Copies the backups of a host to other places
version_added: 1.0.0
description:
  - Copies every backup of a host that a destination does not have yet, or verifies the copies there. Nothing in a copy is ever deleted or replaced.
  - Only backups are copied whose manifest is accepted (O(allowed_signers)) and whose artifacts are what it says.
  - In a bucket of S3 (kind V(s3)), each file is one object. The server verifies what arrives against the SHA-256 of the manifest, and answers for it later, so
    that V(verified) downloads nothing. All versions of an object are looked at, because a key that may only write can hide an object or cover it with another.
  - A destination that fails does not keep the others from being copied to.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.state
  - lithnet.access_manager.signing
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
requirements:
  - boto3 (kind V(s3))
options:
  state:
    description:
      - V(copied) copies what is not there.
      - V(verified) reports each file that is missing or not what its manifest says. What a command (kind V(command)) copied cannot be verified, only that
        it was run.
    type: str
    choices: [copied, verified]
    default: copied
  fail:
    description: Whether the module fails when a destination fails. Else each problem is a warning.
    type: bool
    default: true
  destinations:
    description: Where the copies are.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the destination, in results and metrics.
        type: str
        required: true
      kind:
        description:
          - V(s3) is a bucket, with object lock. V(folder) is a folder on the controller, such as another disk or a mount. V(command) is a program
            that copies the folder of a backup.
        type: str
        choices: [s3, folder, command]
        required: true
      bucket:
        description: The bucket of kind V(s3).
        type: str
      prefix:
        description: What the keys of all objects begin with. Below it lie only copies of this collection.
        type: str
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
        description: The access key. Without it, the environment, the profile or the role of the machine gives the credentials.
        type: str
      secret_key:
        description: The secret key of O(destinations[].access_key).
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
      lock_days:
        description:
          - For how many days each object is locked in COMPLIANCE mode. Nobody can delete it before, nor shorten that time.
          - The default retention of the bucket, when not given. Then the key needs no right to set a retention.
        type: int
      require_lock:
        description: Refuse a bucket without object lock.
        type: bool
        default: true
      path:
        description: The folder of kind V(folder). It must exist, so that a mount that is missing is not mistaken for it.
        type: path
      check_owner:
        description: As O(check_backup_owner), for the folder of kind V(folder).
        type: bool
        default: true
      command:
        description:
          - The program of kind V(command) and its arguments. It is run once for each backup, without a shell. V({source}) stands for the folder of the backup,
            V({host}) for its host and V({id}) for its id.
        type: list
        elements: str
      timeout:
        description: For how many seconds the command may run for one backup.
        type: int
        default: 3600
seealso:
  - module: lithnet.access_manager.backup_fetch
  - module: lithnet.access_manager.backup_verify
"""

EXAMPLES = r"""
- name: Copy the backups of this host to a bucket with object lock, and to another disk
  lithnet.access_manager.backup_copy:
    backup_root: /srv/backup/access-manager
    destinations:
      - name: vault
        kind: s3
        bucket: access-manager-backups
        region: eu-central-1
      - name: nas
        kind: folder
        path: /mnt/nas/access-manager
      - name: cloud
        kind: command
        command: [rclone, copy, --immutable, "{source}", "remote:access-manager/{host}/{id}"]

- name: Verify the copies in the bucket without a download
  lithnet.access_manager.backup_copy:
    backup_root: /srv/backup/access-manager
    state: verified
    destinations:
      - name: vault
        kind: s3
        bucket: access-manager-backups
        region: eu-central-1
"""

RETURN = r"""
host:
  description: The name of the host.
  returned: success
  type: str
destinations:
  description: What became of each destination.
  returned: always
  type: list
  elements: dict
  contains:
    destination:
      description: Its name.
      returned: always
      type: str
    copied:
      description: The ids of the backups that were copied, or would be in check mode, the newest first.
      returned: always
      type: list
      elements: str
    present:
      description: The ids of the backups that were there already; with O(state=verified), of those that are there as their manifests say.
      returned: always
      type: list
      elements: str
    bytes:
      description: The bytes that were sent.
      returned: always
      type: int
    unread:
      description: With O(state=verified), the bytes that did not have to be read or downloaded.
      returned: always
      type: int
    problems:
      description: What failed, in sentences.
      returned: always
      type: list
      elements: str
    last_success:
      description: When the destination had every backup of the host for the last time, in UTC. V(null) when it never had.
      returned: always
      type: str
problems:
  description: The problems of all destinations, each with the name of its destination.
  returned: always
  type: list
  elements: str
"""
