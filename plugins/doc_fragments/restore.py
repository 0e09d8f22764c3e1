# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is restored, and from which backup."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  backup_id:
    description:
      - V(latest) for the newest complete backup, or the id of one. With O(allowed_signers), of those that one of them
        signed.
      - Anything with a slash is a path on the controller, to the folder of a backup, or to a C(config.zip.age) or
        C(config.zip) alone, which needs no manifest.
    type: str
    default: latest
  restore_only:
    description:
      - The parts to restore. V(config) is the configuration folder, V(external) the files elsewhere that it names,
        V(registry) the registry values with the HTTP.sys bindings and reservations, V(certificates) the certificates
        with their private keys.
    type: list
    elements: str
    choices: [config, certificates, registry, external]
    default: [config, certificates, registry, external]
  restore_files:
    description:
      - Restore these files alone, by their names in the backup, such as V(config/scripts/Approve.ps1) or
        V(external/C/Scripts/Approve.ps1). Nothing is removed then, and registry, HTTP.sys and certificates are left.
    type: list
    elements: str
    default: []
  restore_mode:
    description:
      - V(mirror) also removes what the backup does not have from the configuration folder, from Access Manager's
        registry values, and from its HTTP.sys configuration. V(merge) removes nothing.
    type: str
    choices: [mirror, merge]
    default: mirror
  include_database:
    description:
      - Restore the database too, if the backup holds it. It is a cache, which Access Manager recreates.
    type: bool
    default: false
  start_service:
    description:
      - V(as_found) starts the service after the restore only if it ran before. V(always) starts it in any case.
    type: str
    choices: [as_found, always]
    default: as_found
  require_secrets:
    description:
      - Refuse the restore when it has a secret that can be decrypted neither on the server nor from the backup, so that
        an administrator would have to enter it again. M(lithnet.access_manager.config_restore) takes a new value in
        O(lithnet.access_manager.config_restore#module:secrets).
      - With V(false), a backup that is named by its id or path may also lack its C(secrets.json.age).
    type: bool
    default: true
  allow_version_mismatch:
    description:
      - Restore although the backup is of another version of Access Manager than the server has. With
        O(other_server=true) the server's must be the newer one.
    type: bool
    default: false
  other_server:
    description:
      - Restore to another server than the one that was backed up, as one that was installed in its place. What is bound
        to the old server is rewritten, or stays as the new one has it. Secrets are protected again with the values of
        the backup. The result says what is left to an administrator.
      - Nothing but the backup is used. The old server may be gone or alive.
    type: bool
    default: false
  tls_thumbprint:
    description:
      - With O(other_server=true), the certificate in C(LocalMachine\My) of the new server that its web site gets. It
        must be there with its private key.
      - When not given, the certificate of the backup is bound if it is there, else what is bound already stays. Without
        any of these the server is not set to C(Configured), and the result says what to do.
    type: str
  external_files:
    description:
      - With O(other_server=true), what becomes of the files elsewhere that the configuration names. V(relocate) puts
        them into the folder C(external) of the configuration folder and rewrites what names them. V(keep) puts them
        where they were, on the same drive.
    type: str
    choices: [relocate, keep]
    default: relocate
  overwrite_configured:
    description:
      - With O(other_server=true), restore although Access Manager on the server is configured already, and its
        configuration is another.
    type: bool
    default: false
  silence_outgoing:
    description:
      - With O(other_server=true), switch off mail, webhooks and other notification channels, and the making and
        deleting of groups in Active Directory, in the JSON before it is sent, as for a drill.
      - Without it, nothing is restored to a server on which a drill is, see M(lithnet.access_manager.drill).
    type: bool
    default: false
  lock_timeout:
    description:
      - How many seconds to wait for another run on the same server to end.
    type: int
    default: 300
  installation:
    description:
      - What an earlier call of M(lithnet.access_manager.config_restore) with
        O(lithnet.access_manager.config_restore#module:state=planned) returned as C(installation). It saves a call of
        the server.
    type: str
"""
