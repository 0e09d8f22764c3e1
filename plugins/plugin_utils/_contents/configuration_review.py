# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a configuration will fail by itself, or on another server, though a backup of it is complete.

Source: lithnet/access-manager, AuditEventProcessor.cs, TemplateProvider.cs, NotificationChannel.cs and
CachedPowerShellSessionProvider.cs.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import itertools
import re

from .._ams.constants import CHANNELS, CONFIG, RULES, TEMPLATE_FOLDER
from .._ams.description import Described
from .._ams.json_document import Value, find

OWN_TEMPLATES = ("eventlog-success.txt", "eventlog-failure.txt")
"""The templates that Access Manager opens for each request, whatever its settings name."""

_LISTS = (
    "Auditing.GlobalNotifications.OnSuccess[]",
    "Auditing.GlobalNotifications.OnFailure[]",
    f"{RULES}.Notifications.OnSuccess[]",
    f"{RULES}.Notifications.OnFailure[]",
)

_IDS = tuple(f"{place}.Id" for place in CHANNELS)
_MANDATORY = tuple(f"{place}.Mandatory" for place in CHANNELS)

_STRING = r"""(?P<string>
    @'\r?\n.*?(?:\n'@|\Z) | @"\r?\n.*?(?:\n"@|\Z) | '[^']*(?:'|\Z) | "(?:`.|[^"`])*(?:"|\Z)
)"""
_COMMENT = r"<\#.*?(?:\#>|\Z) | (?<![\w`])\#[^\r\n]*"
_STRINGS_AND_COMMENTS = re.compile(f"{_STRING} | {_COMMENT}", re.DOTALL | re.VERBOSE)
_CONTINUED = re.compile(r"`\r?\n")
"""The end of a line that goes on in the next."""

_BOUND = {
    "Import-Clixml": re.compile(r"\bImport-Clixml\b", re.IGNORECASE),
    "ConvertTo-SecureString": re.compile(
        r"\bConvertTo-SecureString\b(?![^\r\n|;]*-(?:Key|SecureKey|AsPlainText))", re.IGNORECASE
    ),
    "Get-StoredCredential": re.compile(r"\bGet-StoredCredential\b", re.IGNORECASE),
    "ProtectedData": re.compile(r"\bProtectedData\]::Unprotect\b", re.IGNORECASE),
}
"""How scripts read credentials that DPAPI keeps for one account of one server."""

_DATA = re.compile(r"[\"']((?:[A-Z]:\\|\\\\)[^\"'\r\n<>|]{1,200}\.[a-z0-9]{1,5})[\"']", re.IGNORECASE)
_MOST_SHOWN = 3
"""Of the files that a script names."""

_USING = re.compile(r"^[ \t]*using[ \t]+module[ \t]+([^\r\n]{1,200})", re.IGNORECASE | re.MULTILINE)
_OWN_FOLDER = re.compile(r"\$(?:PSScriptRoot|PSCommandPath|MyInvocation\.MyCommand\.Path)\b", re.IGNORECASE)


@dataclasses.dataclass
class Review:
    """What is kept of a configuration while it passes: its JSON files, and its scripts as text, by their names."""

    documents: dict[str, Value] = dataclasses.field(default_factory=dict)
    scripts: dict[str, str] = dataclasses.field(default_factory=dict)

    def warnings(self, described: Described) -> list[str]:
        """A sentence for each thing that a person should correct. C(described): of the server."""
        held = {str(record["path"]).lower() for record in described["records"]}
        texts = sorted(self.scripts.items())
        scripts = itertools.chain.from_iterable(_of_script(name, text, held) for name, text in texts)
        return [*_templates(described), *self._channels(described), *scripts]

    def _channels(self, described: Described) -> c.Iterator[str]:
        """Notifications of channels that nobody defines, and mandatory channels whose files are gone."""
        defined = {str(value.value).lower() for _place, value in self._found(_IDS)}
        for place, value in self._found(_LISTS):
            if str(value.value).lower() not in defined:
                yield (
                    f"{place} names the notification channel '{value.value}', which is not defined: it is never "
                    "notified. Correct that in the configuration tool."
                )
        mandatory = [place for place, value in self._found(_MANDATORY) if value.value is True]
        for one in described["references"]:
            channel = one["key"].rpartition(".")[0]
            if one["place"] != "share" and not one["exists"] and f"{channel}.Mandatory" in mandatory:
                yield (
                    f"{channel} is a mandatory channel, and {one['key']} names no file: each request that it is for "
                    "fails."
                )

    def _found(self, paths: c.Iterable[str]) -> c.Iterator[tuple[str, Value]]:
        pairs = itertools.product(self.documents.values(), paths)
        yield from itertools.chain.from_iterable(itertools.starmap(find, pairs))


def _templates(described: Described) -> c.Iterator[str]:
    there = {str(record["name"]).lower() for record in described["records"]}
    for name in OWN_TEMPLATES:
        if f"{CONFIG}{TEMPLATE_FOLDER}/{name}" not in there:
            yield (
                f"There is no {TEMPLATE_FOLDER}\\{name} in the configuration folder. Access Manager opens it for each "
                "request, which fails without it: bring it back from an installation of the same version."
            )


def _code_of(script: str) -> str:
    """A script without its comments, each command that goes on in the next line in one."""
    code = _STRINGS_AND_COMMENTS.sub(lambda found: found["string"] or "", script)
    return _CONTINUED.sub(" ", code)


def _of_script(name: str, text: str, held: c.Container[str]) -> c.Iterator[str]:
    """C(held): the paths, in lower case, of the files that the backup holds."""
    code = _code_of(text)
    found = [what for what, pattern in _BOUND.items() if pattern.search(code)]
    if found:
        yield (
            f"The script {name} reads credentials by {' and '.join(found)}: only one account on "
            "this server can decrypt them, and they are in no backup. Have the script take them from elsewhere, or "
            "keep them otherwise."
        )
    if _OWN_FOLDER.search(code):
        yield (
            f"The script {name} looks for files beside itself ($PSScriptRoot and the like). Access Manager runs the "
            "text of a script, and that is empty then: name such files by whole paths."
        )
    files = [path for path in dict.fromkeys(_DATA.findall(code)) if path.lower() not in held]
    if files:
        more = f" and {len(files) - _MOST_SHOWN} more" if len(files) > _MOST_SHOWN else ""
        yield (
            f"The script {name} names {', '.join(files[:_MOST_SHOWN])}{more}, which no backup holds: keep what it "
            "needs of them, and see that another server has them."
        )
    for module in _USING.findall(code):
        yield (
            f"The script {name} has 'using module {module.strip()}': no backup holds that module, and PowerShell looks "
            "for a relative path in the folder of Windows. See that another server has it."
        )
