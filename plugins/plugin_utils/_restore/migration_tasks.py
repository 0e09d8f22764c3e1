# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator has to do when a new server with version 2 takes the place of one with version 1."""

from __future__ import annotations

import collections.abc as c
import itertools

from .._text import printable
from . import manual_tasks, service_tasks
from .items import Item
from .manual_task_facts import ACCOUNT, Recovery
from .migration import has_unreadable_passwords
from .plan import Task
from .secret_tasks import secrets, synchronised

_GROUPS = {
    "S-1-5-32-560": "Windows Authorization Access Group",
    "S-1-5-32-579": "Access Control Assistance Operators",
}
"""The groups of each domain in which version 2 needs the account of its service, by their SIDs."""

_AUDIT_SCRIPT = "Auditing.NotificationChannels.Powershell[].Script"

_TOOL = (
    "Get-ChildItem -LiteralPath (Get-ItemProperty -LiteralPath "
    "'HKLM:\\SOFTWARE\\Lithnet\\Access Manager Service').Path -Filter '*.UI.exe' | "
    "ForEach-Object -Process { Start-Process -FilePath $_.FullName }"
)
_LOG = (
    "Get-Content -LiteralPath (Join-Path -Path (Get-ItemProperty -LiteralPath "
    "'HKLM:\\SOFTWARE\\Lithnet\\Access Manager Service\\Parameters').LogPath "
    "-ChildPath 'access-manager-v1-migration.log')"
)


def tasks_of(recovery: Recovery) -> list[Task]:
    """The tasks, in the order in which they are to be done."""
    return list(itertools.chain.from_iterable(find_tasks(recovery) for find_tasks in _TASKS))


def _unproven(_recovery: Recovery) -> c.Iterator[Task]:
    yield Task(
        None,
        "Nobody of this project has run version 2: this follows the documents of its vendor. Try it with a test server "
        "first, and keep the old server until the new one serves.",
    )


def _import(recovery: Recovery) -> c.Iterator[Task]:
    yield Task(
        None,
        f"Version 2 on {recovery.new} imports the configuration when its service starts. Read its log, and have this "
        "collection look at the rest.",
        (_LOG, recovery.again(playbook="migrate_check")),
    )


def _groups(recovery: Recovery) -> c.Iterator[Task]:
    named = recovery.account if ACCOUNT.fullmatch(recovery.account) else "DOMAIN\\ACCOUNT"
    member = named.partition("\\")[2]
    yield Task(
        Item.SERVICE_ACCOUNT,
        f"Version 2 needs the account of its service, such as '{named}', in {' and '.join(_GROUPS.values())} of each "
        "domain: add it there, then restart the service, so that it has the new memberships.",
        (
            *(f"Add-ADGroupMember -Identity '{sid}' -Members '{member}'" for sid in _GROUPS),
            "Restart-Service -Name lithnetams",
        ),
    )


def _sql(recovery: Recovery) -> c.Iterator[Task]:
    yield Task(
        Item.EXTERNAL_SQL_SERVER,
        f"All data of version 2 is in SQL Server: see that the instance runs that {recovery.new} is to use, that the "
        "account of the service may log on there, and that its database is backed up from the first day. This "
        "collection backs up version 1 alone.",
        ("Get-Service -Name 'MSSQL*'",),
    )


def _configuration_tool(recovery: Recovery) -> c.Iterator[Task]:
    yield Task(
        None,
        f"Open the configuration tool of version 2 on {recovery.new} after the import: look at the settings, choose "
        "the TLS certificate under Host configuration, and save. That makes the registry, HTTP.sys and the firewall "
        "rule, which this collection leaves alone.",
        (_TOOL,),
    )


def _certificates(recovery: Recovery) -> c.Iterator[Task]:
    thumbprints = sorted(recovery.contents.certificates or {})
    if thumbprints:
        yield Task(
            Item.CERTIFICATES,
            f"See in the configuration tool, under Directory configuration, Active Directory, Lithnet LAPS, that "
            f"version 2 has {', '.join(thumbprints)}, and import what is missing there: it keeps certificates in its "
            "database. age decrypts certificates.zip.age of the backup, which has the PFX files: do that on a computer "
            "of yours, and delete them afterwards.",
            ("age -d -i access-manager-backup.key -o certificates.zip certificates.zip.age",),
        )


def _smart_cards(recovery: Recovery) -> c.Iterator[Task]:
    if recovery.authentication == "certificate":
        yield Task(
            None,
            "Users sign in with certificates: version 2 accepts those alone that hold the SID of their user "
            "(KB5014754), unless weak identity bindings are enabled in its configuration tool. See that the "
            "certificates of your users have the extension 1.3.6.1.4.1.311.25.2, or issue new ones, before the old "
            "server is switched off.",
            ("certutil.exe -dump .\\USER.cer | Select-String -SimpleMatch '1.3.6.1.4.1.311.25.2'",),
        )


def _audit_scripts(recovery: Recovery) -> c.Iterator[Task]:
    scripts = sorted(set(map(printable, recovery.texts(_AUDIT_SCRIPT))))
    if scripts:
        yield Task(
            None,
            f"Version 2 takes PowerShell audit scripts over as scripts of version 1, and a later version drops them: "
            f"test {', '.join(scripts)} on {recovery.new}, and rewrite what version 2 marks, in its configuration tool "
            "under Auditing.",
        )


def _master_key(recovery: Recovery) -> c.Iterator[Task]:
    yield Task(
        None,
        "Export the recovery password of the master key, in the configuration tool under Security: without it, a "
        "database of version 2 cannot be used on another server. Keep it beside the backups, and delete the file.",
        (recovery.again(playbook="attach", backup_attachments=["recovery-password.txt"]),),
    )


def _licence(recovery: Recovery) -> c.Iterator[Task]:
    unreadable = (
        " Until then nobody can read encrypted passwords." if has_unreadable_passwords(recovery.contents) else ""
    )
    yield Task(Item.LICENCE, f"Enter a licence for version 2 in the configuration tool, under Licensing.{unreadable}")


def _agents(recovery: Recovery) -> c.Iterator[Task]:
    yield Task(
        None,
        "Deploy the agent of version 2 to the computers: what agents of version 1 stored in Active Directory stays "
        f"there. Stop the service on {recovery.old} when {recovery.new} serves.",
        ("Stop-Service -Name lithnetams",),
    )


_TASKS: tuple[c.Callable[[Recovery], c.Iterator[Task]], ...] = (
    _unproven,
    _import,
    service_tasks.kds,
    service_tasks.account,
    _groups,
    _sql,
    _configuration_tool,
    _certificates,
    _smart_cards,
    _audit_scripts,
    secrets,
    synchronised,
    _master_key,
    _licence,
    manual_tasks.shares,
    manual_tasks.modules,
    manual_tasks.spn,
    manual_tasks.dns,
    manual_tasks.identity_provider,
    manual_tasks.mail_and_webhooks,
    _agents,
)
