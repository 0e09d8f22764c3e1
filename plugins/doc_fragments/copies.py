# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where copies of backups are."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  destinations:
    description: Where the copies are.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the destination, in results and metrics.
        type: str
        required: true
      kind:
        description:
          - V(s3) is a bucket, with object lock. V(folder) is a folder on the controller, such as another disk or a
            mount. V(command) is a program that copies a folder.
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
        description: The access key. Without it, the environment, the profile or the role of the machine gives the
          credentials.
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
          - For how many days each object is locked in COMPLIANCE mode, from 1 to 36500. Nobody can delete it before,
            nor shorten that time.
          - The default retention of the bucket, when not given. Then the key needs no right to set a retention.
        type: int
      require_lock:
        description: Refuse a bucket without object lock.
        type: bool
        default: true
      path:
        description: The folder of kind V(folder). It must exist, so that a mount that is missing is not mistaken for
          it.
        type: path
      check_owner:
        description: As O(check_backup_owner), for the folder of kind V(folder).
        type: bool
        default: true
      command:
        description:
          - The program of kind V(command) and its arguments. It is run once for each backup, attachment and installer,
            without a shell. V({source}) stands for its folder, V({host}) for its host, and V({id}) for its place below
            the folder of the host, as the id of a backup, C(attachments/ID) or C(installers/VERSION).
        type: list
        elements: str
      timeout:
        description: For how many seconds the command may run for one folder.
        type: int
        default: 3600
"""
