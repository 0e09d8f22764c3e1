#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: artifact_fetch
short_description: Brings the configuration to the controller and encrypts it
version_added: 1.0.0
description:
  - Without O(run_id), the configuration is read where it lies while the service runs. What was read is verified to be
    one state of it. The hash of every file, C(Metadata.Usn) and the list of files are the same before and after, or it
    is read again.
  - With O(run_id), a snapshot is read that M(lithnet.access_manager.config_snapshot) has staged.
  - The target compresses and encrypts to a key that the controller makes for this call. The controller checks every
    file against its SHA-256 on the target and writes C(config.zip.age) into the open backup, without a clear file in
    between.
author:
  - The lithnet.access_manager contributors (@lithnet)
requirements:
  - cryptography >= 43.0.0
  - pyrage >= 1.2.3
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_parts
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.part
  - lithnet.access_manager.encryption
  - lithnet.access_manager.staging
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: none
    details: A part is written once into the open backup.
  platform:
    support: full
options:
  run_id:
    description: The snapshot, as M(lithnet.access_manager.config_snapshot) returned it. The live configuration when not
      given.
    type: str
  include_database:
    description: Whether the snapshot was taken with the database. It is part of what decides that a server has changed.
    type: bool
    default: false
  expected_bytes:
    description:
      - The size of the files, as M(lithnet.access_manager.installation_info) returned it
        (RV(lithnet.access_manager.installation_info#module:bytes)).
      - More than twice that and 64 MiB is not taken from the server. Never more than 4 GiB are, also when this is not
        given.
    type: int
  lock_timeout:
    description: How many seconds to wait for another run on the same server to end.
    type: int
    default: 300
seealso:
  - module: lithnet.access_manager.config_snapshot
  - module: lithnet.access_manager.backup_commit
"""

EXAMPLES = r"""
- name: Fetch and encrypt the live configuration
  lithnet.access_manager.artifact_fetch:
    backup_root: /srv/backup/access-manager
    backup_id: "{{ opened.backup_id }}"
    recipients: "{{ access_manager_recipients }}"

- name: Fetch and encrypt a snapshot
  lithnet.access_manager.artifact_fetch:
    backup_root: /srv/backup/access-manager
    backup_id: "{{ opened.backup_id }}"
    run_id: "{{ snapshot.run_id }}"
    recipients: "{{ access_manager_recipients }}"
"""

RETURN = r"""
steady:
  description:
    - Whether what was read is one state. When V(false), the configuration changed each time, and no artifact was
      written.
  returned: success
  type: bool
attempts:
  description: How many times the live configuration was read.
  returned: success
  type: int
artifact:
  description: The name, size and SHA-256 of what was written.
  returned: when RV(steady) is true
  type: dict
  sample:
    name: config.zip.age
    size: 312345
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
problems:
  description: What makes the backup incomplete, one sentence each.
  returned: when RV(steady) is true
  type: list
  elements: str
retries:
  description: How often the transfer was tried again.
  returned: when RV(steady) is true
  type: int
files:
  description: How many files arrived.
  returned: when RV(steady) is true
  type: int
bytes:
  description: The size of those files.
  returned: when RV(steady) is true
  type: int
installer:
  description:
    - The MSI that Access Manager was installed from, with C(product_code), C(version), C(name), and the C(sha256) of
      the copy that Windows Installer keeps,
      which is empty when there is none.
  returned: when RV(steady) is true, and Windows Installer knows it
  type: dict
access_manager_version:
  description: The version of Access Manager on the server.
  returned: when RV(steady) is true
  type: str
stopped:
  description: Whether the service was stopped for the snapshot.
  returned: when RV(steady) is true
  type: bool
downtime_ms:
  description: Milliseconds for which it was; null when it did not start again.
  returned: when RV(steady) is true
  type: int
health_warnings:
  description:
    - What in the configuration will fail by itself, or on another server, one sentence each. Templates that Access
      Manager opens for each request and that are gone, notification channels that nobody defines, mandatory ones
      without their files, scripts that read credentials which DPAPI keeps or look for files beside themselves.
  returned: when RV(steady) is true
  type: list
  elements: str
tls_certificates:
  description: The certificates of Access Manager's TLS bindings, each with its endpoints, subject, issuer, DNS names
    and end. They stand in the manifest.
  returned: when RV(steady) is true
  type: list
  elements: dict
"""
