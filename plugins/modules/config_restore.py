#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: config_restore
short_description: Restores Access Manager on the server that it was backed up from, or on another one
version_added: 1.0.0
description:
  - Makes certificates, files, permissions, registry values and HTTP.sys as a backup has them, and changes nothing else.
    What is as in the backup already is not touched.
  - The backup is decrypted in the controller's memory and checked before the server is asked anything.
  - The change runs in a process of its own on the server. It keeps a safety copy, imports missing certificates, stops
    the service if it runs, changes what differs, starts the service, and tests its health. When a step or a test fails,
    it puts everything back as it was and removes what it imported, whatever happens to the connection or the
    controller. When only certificates are missing, the service is not stopped. Where a failover cluster runs the
    service, a restore that needs a stop is refused until C(Stop-ClusterResource) has stopped it.
  - Secrets that this server cannot decrypt any more are protected again, with the values that the backup holds.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_restores
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.restore
  - lithnet.access_manager.decryption
  - lithnet.access_manager.signing
  - lithnet.access_manager.staging
  - lithnet.access_manager.store
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.state
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
  state:
    description:
      - V(planned) says what a restore would do, and changes nothing. It also reports earlier restores whose results
        their controllers have not read, or which never ended because the server went down. After one of those, the
        service is started if it ran before that.
      - V(restored) restores.
    type: str
    choices: [planned, restored]
    default: restored
  plan_json:
    description: Where the plan is written on the controller as JSON, with O(state=planned), in check mode too. Its mode
      is C(0600).
    type: path
  plan_markdown:
    description: The same as Markdown.
    type: path
  secrets:
    description:
      - New values of secrets of the configuration, by their paths in the JSON files, such as
        C(Authentication.Oidc.Secret) and C(Email.Password), in place of those of the backup. For one that can be
        decrypted neither on the server nor from the backup, or whose value is another now.
      - The server protects each for itself (mode 1), whatever protected it before. They are sent as the values of a
        backup are, and are in no result, log, command line or file in clear.
      - Give a plan and its restore the same values.
    type: dict
    default: {}
  migrate:
    description:
      - Put a backup of version 1 into place on a server where version 2 is installed and was not configured, with
        O(other_server). Version 2 imports it when its service starts; use O(start_service=always).
      - Registry and HTTP.sys are left to the configuration tool of version 2, and nothing is removed from the
        configuration folder.
      - It follows the documents of the vendor. Nobody of this project has run version 2.
    type: bool
    default: false
  migrate_allow:
    description:
      - What is no reason to refuse with O(migrate).
      - V(community) are encrypted passwords without a licence, which the community edition of version 2 cannot read.
        V(dotnet) and V(sql) are a .NET runtime and a SQL Server that the server does not show.
    type: list
    elements: str
    choices: [community, dotnet, sql]
    default: []
  close_editor:
    description: Close the configuration editor when it is open in any session. Otherwise an open one makes the restore
      fail before the service is stopped.
    type: bool
    default: false
  force_stop:
    description:
      - Stop the service although it could not start again. Otherwise that is refused, before anything is done, where
        its start type is disabled, where its account may not log on as a service (error 1069 at its next start), or
        where its JSON files could not be read and are not among those that are restored.
    type: bool
    default: false
  health_seconds:
    description: How many seconds the service must stay running after its start.
    type: int
    default: 10
  keep_safety_copies:
    description:
      - How many safety copies stay on the server, in C(%ProgramData%\lithnet.access_manager.safety), which SYSTEM and
        Administrators alone may enter.
    type: int
    default: 3
  service_timeout:
    description: How many seconds each wait for the service, its database files and its web site may take.
    type: int
    default: 120
seealso:
  - module: lithnet.access_manager.certificate_import
  - module: lithnet.access_manager.backup_diff
  - module: lithnet.access_manager.backup_verify
"""

EXAMPLES = r"""
- name: Show what a restore of the newest complete backup would change
  lithnet.access_manager.config_restore:
    state: planned
    backup_root: /srv/backup/access-manager
    identity_file: /media/key/access-manager-backup.key
  register: planned

- name: Show what it takes to put another server in the place of a lost one
  lithnet.access_manager.config_restore:
    state: planned
    backup_root: /srv/backup/access-manager
    host: ams1.example.com
    other_server: true
    identity_file: /media/key/access-manager-backup.key
    plan_markdown: /root/recovery.md

- name: Restore, and give the service a client secret that no backup has
  lithnet.access_manager.config_restore:
    backup_root: /srv/backup/access-manager
    identity_file: /media/key/access-manager-backup.key
    secrets:
      Authentication.Oidc.Secret: "{{ oidc_secret }}"

- name: Restore the configuration folder alone
  lithnet.access_manager.config_restore:
    backup_root: /srv/backup/access-manager
    identity_file: /media/key/access-manager-backup.key
    restore_only: [config]
    installation: "{{ planned.installation }}"
"""

RETURN = r"""
plan_document:
  description: The plan as data, with the changes of 200 files at most. C(docs/recovery.md) describes it.
  returned: when O(state=planned)
  type: dict
directory_needs:
  description:
    - What another server needs in the directory, for O(lithnet.access_manager.directory_info#module:server). Empty
      without O(other_server).
  returned: when O(state=planned)
  type: dict
backup:
  description: The backup.
  returned: always
  type: str
  sample: 20261123T081500Z of ams1.example.com
plan:
  description: A line for each change and each manual task. Of the files, 200 are named at most, and the others counted.
  returned: always
  type: list
  elements: str
tasks:
  description:
    - What an administrator has to do, in sentences. What they say of secrets that the service cannot decrypt fails no
      test of health afterwards.
  returned: always
  type: list
  elements: str
certificates:
  description: What was missing of certificates, as C(thumbprint) and C(action), which is C(import), C(give_key) or
    C(give_access).
  returned: always
  type: list
  elements: dict
silenced:
  description: The places in the JSON of what O(silence_outgoing) switched off.
  returned: always
  type: list
  elements: str
would_change:
  description: Whether the server differs from the backup.
  returned: always
  type: bool
installation:
  description: What the server has, as compressed JSON in one text, for the option of the same name.
  returned: when O(state=planned)
  type: str
earlier_restores:
  description: A sentence for each earlier restore whose result was not reported yet.
  returned: when O(state=planned)
  type: list
  elements: str
state:
  description: C(restored), C(rolled_back), or C(half_rolled_back) when something could not be put back.
  returned: when something was to be changed
  type: str
checks:
  description: The tests of health that were made, as C(name), C(passed) and C(reason).
  returned: when something was to be changed
  type: list
  elements: dict
failed_check:
  description: The test that was not passed; empty when there is none.
  returned: when something was to be changed
  type: str
rollback_errors:
  description: What could not be put back.
  returned: when something was to be changed
  type: list
  elements: str
safety_copy:
  description: The folder on the server with what this restore found.
  returned: when something was to be changed
  type: str
stopped:
  description: Whether the service was stopped.
  returned: when something was to be changed
  type: bool
service_started:
  description: Whether the service was started.
  returned: when something was to be changed
  type: bool
stop_ms:
  description: Milliseconds that the stop took.
  returned: when something was to be changed
  type: int
start_ms:
  description: Milliseconds that the start took.
  returned: when something was to be changed
  type: int
downtime_ms:
  description: Milliseconds from the stop until the service ran again.
  returned: when something was to be changed
  type: int
signer:
  description: Which of O(allowed_signers) signed the backup, as C(principal) and C(fingerprint) of the key; null when
    that is not verified.
  returned: always
  type: dict
origin:
  description: The same in one sentence. It says when the origin of the backup is not verified.
  returned: always
  type: str
"""
