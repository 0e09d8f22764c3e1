#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: installation_info
short_description: Shows what an Access Manager server has that a backup would hold
version_added: 1.0.0
description:
  - Reads where Access Manager is installed, its service, registry values, certificates, HTTP.sys configuration, the
    files of its configuration and those that it names, with their hashes.
  - It changes nothing. No secret and no content of a file is returned.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.expiry
  - lithnet.access_manager.staging
  - lithnet.access_manager.thumbprints
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
options:
  include_database:
    description: Describe the files of the database too. A backup holds it only where the service can be stopped for it,
      as RV(with_database) says.
    type: bool
    default: false
  force_stop:
    description: Whether a backup stops the service for the database although it could not start again.
    type: bool
    default: false
  require_supported:
    description:
      - Fail when the server cannot be backed up. That is so when Access Manager is absent or of version 2 or 3, when
        its configuration folder is missing, when the account is not an administrator, or when another cluster node owns
        the service.
      - When V(false), what was found is returned whatever it is, without RV(inventory) and RV(problems).
    type: bool
    default: true
  details:
    description:
      - Whether the result has RV(records), RV(state), RV(documents), RV(references) and RV(machine_certificates).
        V(false) leaves out what grows with the server, so that the results of a large fleet stay small. It has no
        effect with O(require_supported=false).
    type: bool
    default: true
seealso:
  - module: lithnet.access_manager.config_snapshot
"""

EXAMPLES = r"""
- name: Read what is there
  lithnet.access_manager.installation_info:
  register: ams

- name: Show what a backup would miss
  ansible.builtin.debug:
    var: ams.problems
"""

RETURN = r"""
installation:
  description: Where Access Manager is, as the registry says.
  returned: success
  type: dict
  sample:
    exists: true
    version: 1.0.7945.0
    configured: true
    config_path: C:\Program Files\Lithnet\Access Manager Service\config
computer_name:
  description: The name that the server gives itself.
  returned: success
  type: str
administrator:
  description: Whether the account is an administrator there.
  returned: success
  type: bool
machine_certificates:
  description: Until when the certificates of LocalMachine\\My are valid whose private keys are there, by their
    thumbprints.
  returned: when Access Manager is installed
  type: dict
installer:
  description:
    - What Windows Installer knows of Access Manager, with C(product_code) (its digits in the order of Windows
      Installer), C(version) and C(name), for the option
      C(installed) of M(lithnet.access_manager.backup_commit). Null when it was installed in another way.
  returned: when Access Manager is installed
  type: dict
state:
  description: Registry values and who may change them, service, HTTP.sys bindings with their certificates,
    reservations, firewall rules.
  returned: when Access Manager is installed, and O(details=true)
  type: dict
records:
  description: The files and folders, each with name, path, size, times, attributes, SDDL and, of files, SHA-256.
  returned: when Access Manager is installed
  type: list
  elements: dict
documents:
  description: The JSON files of the configuration, and whether they parse.
  returned: when Access Manager is installed
  type: list
  elements: dict
references:
  description: The files that the configuration names, where they lie, whether they are there, and their names in a
    backup.
  returned: when Access Manager is installed
  type: list
  elements: dict
secrets:
  description: The path and the mode of each protected secret. Never its value.
  returned: when Access Manager is installed
  type: list
  elements: dict
synchronised_certificates:
  description: The thumbprints of the certificates whose private keys the configuration itself holds, wrapped
    (certificate synchronisation).
  returned: when Access Manager is installed
  type: list
  elements: str
certificates:
  description: The certificates of the service's store, and those of LocalMachine\My that are Access Manager's, with
    what is known of their keys.
  returned: when Access Manager is installed
  type: list
  elements: dict
clock_skew_seconds:
  description: By how many seconds the server's clock is ahead of the controller's, or behind it when less than 0. More
    than 60 are a warning.
  returned: success
  type: int
framework_release:
  description: The C(Release) of the server's .NET Framework, 0 when its registry does not say. At least 461808 (4.7.2)
    is needed.
  returned: success
  type: int
staging:
  description: The staging folder and the free bytes on its drive.
  returned: when Access Manager is installed
  type: dict
cluster:
  description: The cluster resource that runs the service, and its owner; null outside a cluster.
  returned: when Access Manager is installed
  type: dict
files:
  description: How many files a backup would hold.
  returned: when O(require_supported=true)
  type: int
bytes:
  description: The size of those files.
  returned: when O(require_supported=true)
  type: int
inventory:
  description: A fingerprint of each file, folder, certificate and group of settings, for
    M(lithnet.access_manager.backup_commit).
  returned: when O(require_supported=true)
  type: dict
with_database:
  description: Whether a backup would hold the database, as RV(inventory), RV(files) and RV(bytes) have it. That is so
    with O(include_database=true), where the service may be stopped (RV(may_stop)), and with O(force_stop=true).
  returned: when O(require_supported=true)
  type: bool
problems:
  description: What would make a backup incomplete, one sentence each.
  returned: when O(require_supported=true)
  type: list
  elements: str
service_sid:
  description: The SID of the account of the service; empty when the server does not know it.
  returned: when Access Manager is installed
  type: str
start_obstacles:
  description:
    - What would keep the service from starting again after a stop, one sentence each. Its start type is disabled, its
      account may not log on as a service, or its configuration cannot be read. Nothing stops such a service, unless
      C(force_stop) says so.
  returned: when Access Manager is installed
  type: list
  elements: str
may_stop:
  description: Whether there are no RV(start_obstacles), or the service is stopped anyway.
  returned: when Access Manager is installed
  type: bool
health_warnings:
  description:
    - What makes no backup incomplete and will hurt later, one sentence each. RV(start_obstacles), keys that the service
      may not read, a TLS certificate that is not there, or is for other names than the web site has by its settings, a
      managed account that is not marked as one, or whose service starts without delay, a start type that is manual, a
      server that is not configured, a database that is left out (RV(with_database)).
  returned: when Access Manager is installed
  type: list
  elements: str
expiry_warnings:
  description: A sentence for each TLS certificate and each encryption certificate that has expired or ends soon.
  returned: when Access Manager is installed
  type: list
  elements: str
event_warnings:
  description: A sentence for each kind of error that needs a person and that the service logged in the last seven days,
    which are the events 5006, 5016, 5036, 5037 and 5040.
  returned: when Access Manager is installed
  type: list
  elements: str
unended_restores:
  description:
    - A sentence for each restore that never ended, because the server went down or its process was killed. The server
      may be between two states, and a backup of it is incomplete. That ends with a restore of all parts of a backup
      from before it, or when an administrator says so with a file in the folder that the sentence names.
  returned: when Access Manager is installed
  type: list
  elements: str
interrupted_stops:
  description:
    - A sentence for each run that stopped the service and was ended before it started it again. The module
      M(lithnet.access_manager.service) with O(lithnet.access_manager.service#module:state=recovered) starts it.
  returned: when Access Manager is installed
  type: list
  elements: str
stale_runs:
  description: The ids of runs that were ended on the server and left a folder more than a day ago, or a scheduled task.
  returned: success
  type: list
  elements: str
needs_recovery:
  description:
    - Whether M(lithnet.access_manager.service) with O(lithnet.access_manager.service#module:state=recovered) has
      something to do there.
  returned: success
  type: bool
"""
