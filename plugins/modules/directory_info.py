#!/usr/bin/python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: directory_info
short_description: Shows on which encryption certificates the passwords in Active Directory depend
version_added: 1.0.0
description:
  - Reads the certificate that each forest publishes, and takes a census. For each certificate it counts the stored
    passwords that only its private key decrypts, without decrypting anything. The thumbprint stands in clear in each of
    them.
  - Says of which of these keys there is a backup.
  - Computers are read in pages and counted as they pass, so that memory does not grow with the domain.
  - Stored passwords are confidential. To an account that may not read them, Active Directory answers as if there were
    none. This is detected, by the security descriptors of the computers with what they inherit, one by one, and never
    counted as no passwords. What such a descriptor does not clearly grant counts as not readable.
  - It fails when a forest publishes several certificates where agents look for one.
author:
  - The lithnet.access_manager contributors (@lithnet)
extends_documentation_fragment:
  - lithnet.access_manager.attributes.controller
  - lithnet.access_manager.attributes.actiongroup_directory
  - lithnet.access_manager.attributes.actiongroup_all
  - lithnet.access_manager.store.owner
  - lithnet.access_manager.directory
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
options:
  servers:
    description:
      - A domain controller of each domain, by its DNS name. Referrals are not followed. A domain that has no server
        here is not counted. Two servers of one domain are refused.
    type: list
    elements: str
    required: true
  backup_root:
    description:
      - The folder on the controller under which the backups of all hosts lie. Without it, no key is said to be backed
        up.
    type: path
  census:
    description:
      - Whether the passwords are counted. Without it, only the certificate that each forest publishes is read, by one
        search of each server, and looked for in
        the backups.
    type: bool
    default: true
  lost_certificates:
    description:
      - Thumbprints of certificates whose private keys are said to be lost.
      - It fails when a backup holds one of these keys, and when one is not known. A certificate is known when a
        password depends on it, a forest publishes it, or the manifest of a backup names it.
    type: list
    elements: str
    default: []
  before:
    description:
      - RV(lost) of a census that was taken before an expiry. RV(summary) then says what remains.
      - The passwords under its C(thumbprints) are counted in RV(lost), instead of those under O(lost_certificates).
    type: dict
  expiry:
    description:
      - The result of M(lithnet.access_manager.directory_password_expiry) between the two censuses, for RV(summary).
      - It needs O(before).
    type: dict
  search_base:
    description:
      - Count only what is below this distinguished name. It needs a single server in O(servers).
    type: str
  filter:
    description:
      - An LDAP filter that computers must match too.
    type: str
  server:
    description:
      - A server that is to run Access Manager. RV(server_problems) says what is not as it needs it in the directory.
    type: dict
    suboptions:
      computer:
        description: The name of its computer, without domain.
        type: str
        required: true
      service_account:
        description: The service's account, as C(DOMAIN\NAME) or by its SID, as
          RV(lithnet.access_manager.installation_info#module:service_sid) says.
        type: str
        required: true
      web_names:
        description: The names by which users reach its web site with Integrated Windows authentication.
        type: list
        elements: str
        default: []
      guessed_names:
        description: Such names that nobody has set, as of its certificate. What changes their SPN is not given as a
          command.
        type: list
        elements: str
        default: []
  fail_on_unreadable:
    description:
      - Fail when there are computers whose passwords the account may not read.
    type: bool
    default: true
seealso:
  - module: lithnet.access_manager.directory_certificate
  - module: lithnet.access_manager.directory_password_expiry
"""

EXAMPLES = r"""
- name: Take a census of a forest with two domains
  lithnet.access_manager.directory_info:
    servers: [dc1.example.com, dc1.sub.example.com]
    bind_user: recovery@example.com
    bind_password: "{{ vault_recovery_password }}"
    backup_root: /srv/backup/access-manager
  register: census

- name: See whether a backup holds the key of the published certificate
  lithnet.access_manager.directory_info:
    servers: [dc1.example.com]
    bind_user: backup@example.com
    bind_password: "{{ vault_backup_password }}"
    backup_root: /srv/backup/access-manager
    census: false

- name: Say what remains after an expiry
  lithnet.access_manager.directory_info:
    servers: [dc1.example.com]
    bind_user: recovery@example.com
    bind_password: "{{ vault_recovery_password }}"
    before: "{{ census.lost }}"
    expiry: "{{ expired }}"
  register: after
"""

RETURN = r"""
forests:
  description: The certificate that each forest publishes.
  returned: success
  type: list
  elements: dict
  contains:
    forest:
      description: The DNS name of the forest.
      type: str
    server:
      description: The server that was asked.
      type: str
    published:
      description: C(thumbprint), C(subject), C(not_before), C(not_after), C(covered) and C(backup), as in RV(keys).
        Null when nothing is published, or the account may not see the entry for it; these cannot be distinguished.
      type: dict
domains:
  description: C(domain), C(server), C(forest), and of the census of this domain C(computers), C(keys), C(unparsable)
    and C(unreadable).
  returned: with O(census=true)
  type: list
  elements: dict
computers:
  description: How many computers have a stored password, earlier ones, or a time at which it expires.
  returned: with O(census=true)
  type: int
keys:
  description: The keys on which stored passwords depend, or which are published, of all domains. Those with the most
    current passwords come first.
  returned: with O(census=true)
  type: list
  elements: dict
  contains:
    thumbprint:
      description: The SHA-1 thumbprint of the certificate.
      type: str
    current:
      description: How many current passwords depend on it.
      type: int
    history:
      description: How many earlier passwords do.
      type: int
    oldest:
      description: When the oldest of these passwords was made, in UTC.
      type: str
    newest:
      description: When the newest was.
      type: str
    published:
      description: Whether a forest publishes the certificate, so that agents encrypt to it.
      type: bool
    covered:
      description: Whether a backup under O(backup_root) holds the private key. The files of that backup are as they
        were written; they are not decrypted.
      type: bool
    backup:
      description: The C(host) and the C(id) of the newest such backup; null when there is none.
      type: dict
lost:
  description: How many passwords depend on the keys of O(lost_certificates), or of O(before).
  returned: with O(census=true)
  type: dict
  contains:
    thumbprints:
      description: The thumbprints of these certificates, in upper case.
      type: list
      elements: str
    current:
      description: How many current passwords depend on their keys.
      type: int
    history:
      description: How many earlier passwords do.
      type: int
summary:
  description:
    - What remains after an expiry, one sentence each.
    - How many current passwords still depend on the lost key; of these, how many have expired and are renewed by their
      agents, have not expired, or were not looked at; and how many earlier passwords nobody can read.
  returned: success, with O(before)
  type: list
  elements: str
server_problems:
  description:
    - What an administrator of the domain has to correct for O(server), one sentence each with the command. An SPN that
      is missing, twice or on another account, a group of one of the domains that its
      account is not in, and a group managed service account whose password the computer may not retrieve.
  returned: with O(server)
  type: list
  elements: str
thumbprints:
  description: The thumbprints of the published certificates, and of those on which most passwords depend, for
    O(lithnet.access_manager.certificate_export#module:thumbprints).
  returned: success
  type: list
  elements: str
uncovered:
  description: The thumbprints on which passwords depend and of which no backup holds the key.
  returned: success
  type: list
  elements: str
unparsable:
  description: How many values no agent can have written, as C(current) and C(history), with some C(examples).
  returned: with O(census=true)
  type: dict
unreadable:
  description: How many C(computers) have passwords that the account may not read, with some C(examples).
  returned: with O(census=true)
  type: dict
problems:
  description: What makes the backups less than complete, one sentence each. It is for the manifest of a backup.
  returned: success
  type: list
  elements: str
"""
