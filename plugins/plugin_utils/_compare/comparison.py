# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two states of a server, each a backup or the server as it is.

Nothing here speaks to a server.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import operator
import typing as t

from .._ams.constants import SERVICE_SETTINGS, is_secret_name, is_secret_value
from .._ams.description import DATABASE_FOLDER, MEANINGFUL_ATTRIBUTES, own_http_configuration
from .._ams.shapes import BackedUpServer, Binding, HttpSys, RegistryValue, Reservation
from .._contents.configuration import Configuration, Secret
from .._contents.file_list import FolderRecord
from .._errors import AccessManagerError
from .._store.inventory import compare_inventories
from .._store.manifest import CertificateRecord
from .._windows import sddl as sddl_module
from .._windows.sids import sid_of
from .._windows.tls_binding import place_of_binding, words_of
from .changes import (
    PROTECTED_AGAIN,
    UNKNOWN,
    CertificateChange,
    Comparison,
    FileChange,
    NamedChange,
    Permissions,
    SecretChange,
)
from .json_changes import json_changes
from .settings import compare_grants, kind_of

CONTENTS, INVENTORY = "contents", "inventory"
_DATABASE = "state/database"
"""Whether a backup was to include the database: that is no difference of a server."""

_FILE_RIGHTS = {
    sddl_module.EVERYTHING: "everything, because it has no access list",
    0x1F01FF: "full control",
    0x1301BF: "modify",
    0x1200A9: "read and execute",
    0x120089: "read",
    0x120116: "write",
}

_SAME_PERMISSIONS: Permissions = {"gained": [], "lost": [], "decoded": True}


class KnownCertificate(CertificateRecord):
    """C(fingerprint): of its key and who may read it, as an inventory has it."""

    fingerprint: str | None


@dataclasses.dataclass(frozen=True)
class ComparedState:
    """One of the two states. C(configuration): None when it is not decrypted. C(certificates): by thumbprint;
    None when they are not known. C(inventory): as a manifest has it.
    """

    label: str
    configuration: Configuration | None = None
    inventory: dict[str, str] | None = None
    certificates: dict[str, KnownCertificate] | None = None


SameSecret = c.Callable[[Secret, Secret], bool | None]
"""Whether two secrets have the same value, however they are protected; None when that is not known."""


def compare_states(before: ComparedState, after: ComparedState, same_secret: SameSecret) -> Comparison:
    """What differs. Raises AccessManagerError when a state has neither contents nor an inventory."""
    certificates = _certificates(before.certificates, after.certificates)
    if before.configuration and after.configuration:
        return _of_contents(before.configuration, after.configuration, certificates, same_secret)
    for state in (before, after):
        if state.inventory is None:
            raise AccessManagerError(
                f"The {state.label} has no manifest, and without a key nothing else can be compared: "
                "give identity_file or passphrase."
            )
    return _of_inventories(before.inventory or {}, after.inventory or {}, certificates)


def _of_contents(
    before: Configuration,
    after: Configuration,
    certificates: list[CertificateChange] | None,
    same_secret: SameSecret,
) -> Comparison:
    old, new = before.described["state"], after.described["state"]
    unread = {*before.unreadable, *after.unreadable}
    return {
        "basis": CONTENTS,
        **json_changes(before, after),
        "secrets": _secrets(_readable_secrets(before, unread), _readable_secrets(after, unread), same_secret),
        "registry": _registry(old["registry"], new["registry"]),
        "http_sys": _http_sys(old["http_sys"], new["http_sys"]),
        "files": _files(before, after),
        "server": _server_settings(before.described, after.described),
        "certificates": certificates,
    }


def _readable_secrets(configuration: Configuration, unread: set[str]) -> dict[str, Secret]:
    """By their paths in lower case, without those of files that could not be read in either state."""
    return {secret.path.lower(): secret for secret in configuration.secrets if secret.file not in unread}


# ---- inventories ----


def _of_inventories(
    before: dict[str, str], after: dict[str, str], certificates: list[CertificateChange] | None
) -> Comparison:
    """What two inventories show: that a thing changed, and not how."""
    changes: list[tuple[str, str]] = []
    for change, names in compare_inventories(before, after).items():
        changes += [(change, name) for name in names if not name.startswith("certificates/") and name != _DATABASE]
    state = "state/"
    files: list[FileChange] = [
        {"change": change, "path": name, "source": None, "what": [], **_SAME_PERMISSIONS}
        for change, name in changes
        if not name.startswith(state)
    ]
    server: list[NamedChange] = [
        {"change": change, "name": name.removeprefix(state), "before": None, "after": None, "secret": False}
        for change, name in changes
        if name.startswith(state)
    ]
    return {
        "basis": INVENTORY,
        "rules": None,
        "notification_channels": None,
        "authentication": None,
        "settings": None,
        "secrets": None,
        "registry": None,
        "http_sys": None,
        "certificates": certificates,
        "files": files,
        "server": server,
    }


# ---- secrets ----


def _secrets(before: dict[str, Secret], after: dict[str, Secret], same_secret: SameSecret) -> list[SecretChange]:
    changes: list[SecretChange] = []
    for path in sorted(before.keys() | after.keys()):
        one, other = before.get(path), after.get(path)
        kind = _secret_change(one, other, same_secret) if one and other else kind_of(one, other)
        if kind:
            changes.append({"change": kind, "path": t.cast(Secret, other or one).path})
    return changes


def _secret_change(before: Secret, after: Secret, same_secret: SameSecret) -> str | None:
    if (before.data, before.salt, before.mode) == (after.data, after.salt, after.mode):
        return None
    return {True: PROTECTED_AGAIN, False: "changed", None: UNKNOWN}[same_secret(before, after)]


# ---- certificates ----


def _certificates(
    before: dict[str, KnownCertificate] | None, after: dict[str, KnownCertificate] | None
) -> list[CertificateChange] | None:
    if before is None or after is None:
        return None
    changes: list[CertificateChange] = []
    for thumbprint in sorted(before.keys() | after.keys()):
        old, new = before.get(thumbprint), after.get(thumbprint)
        what = _certificate_details(old, new) if old and new else []
        if what or not (old and new):
            known = t.cast(KnownCertificate, new or old)
            changes.append(
                {
                    "change": kind_of(old, new),
                    "thumbprint": thumbprint,
                    "subject": known["subject"],
                    "not_before": known["not_before"],
                    "not_after": known["not_after"],
                    "exported": known["exported"],
                    "what": what,
                }
            )
    return changes


def _certificate_details(before: KnownCertificate, after: KnownCertificate) -> list[str]:
    if before["exported"] != after["exported"]:
        return ["exported"]
    return ["key"] if before["fingerprint"] != after["fingerprint"] else []


# ---- files ----


def _files(before: Configuration, after: Configuration) -> list[FileChange]:
    """A change for each file and folder; the database is a cache that changes by itself."""
    old, new = _records(before), _records(after)
    changes: list[FileChange] = []
    for name in sorted(old.keys() | new.keys()):
        one, other = old.get(name), new.get(name)
        what = _file_details(one, other) if one and other else []
        if name.startswith(DATABASE_FOLDER) or not (what or one is None or other is None):
            continue
        permissions = _permissions(one, other) if one and other and "permissions" in what else _SAME_PERMISSIONS
        source = t.cast(FolderRecord, other or one)["source"]
        changes.append({"change": kind_of(one, other), "path": name, "source": source, "what": what, **permissions})
    return changes


def _records(configuration: Configuration) -> dict[str, FolderRecord]:
    """Files and folders by their names in a backup."""
    return {**configuration.files, **configuration.folders}


def _file_details(before: FolderRecord, after: FolderRecord) -> list[str]:
    differs = {
        "content": before.get("sha256") != after.get("sha256"),
        "attributes": (before["attributes"] ^ after["attributes"]) & MEANINGFUL_ATTRIBUTES,
        "permissions": not sddl_module.same(before["sddl"], after["sddl"]),
    }
    return [detail for detail, different in differs.items() if different]


def _permissions(before: FolderRecord, after: FolderRecord) -> Permissions:
    """Who gains and who loses which rights by rules that are set on the file itself, and its owner."""
    old, new = (frozenset(_file_grants(record["sddl"])) for record in (before, after))
    decoded = sddl_module.is_decoded(before["sddl"]) and sddl_module.is_decoded(after["sddl"])
    return {**compare_grants(old, new), "decoded": decoded}


def _file_grants(sddl: str) -> c.Iterator[tuple[str, str, str, str]]:
    yield "owner", sid_of(sddl_module.parse(sddl).owner), "owner", ""
    for rule in sddl_module.rules(sddl, own=True):
        yield rule.access, sid_of(rule.trustee), _FILE_RIGHTS.get(rule.mask, f"rights 0x{rule.mask:x}"), rule.condition


# ---- what lies beside the files ----


def _registry(before: list[RegistryValue], after: list[RegistryValue]) -> list[NamedChange]:
    old, new = _by_place(before), _by_place(after)
    changes: list[NamedChange] = []
    for place in sorted(old.keys() | new.keys()):
        one, other = old.get(place), new.get(place)
        if one and other and (one["kind"], one["data"]) == (other["kind"], other["data"]):
            continue
        known = t.cast(RegistryValue, other or one)
        data = _of_each(operator.itemgetter("data"), one, other)
        change = _change(known["name"], *data, absent=(one is None, other is None))
        changes.append({**change, "key": known["key"]})
    return changes


def _by_place(values: list[RegistryValue]) -> dict[tuple[str, str], RegistryValue]:
    return {(value["key"].lower(), value["name"].lower()): value for value in values}


def _by_binding(bindings: list[Binding]) -> dict[tuple[str, str], Binding]:
    return {place_of_binding(binding): binding for binding in bindings}


def _by_url(reservations: list[Reservation]) -> dict[str, Reservation]:
    return {reservation["url"].lower(): reservation for reservation in reservations}


def _http_sys(before: HttpSys, after: HttpSys) -> list[NamedChange]:
    old, new = own_http_configuration(before), own_http_configuration(after)
    return [
        *_bindings(_by_binding(old["bindings"]), _by_binding(new["bindings"])),
        *_reservations(_by_url(old["reservations"]), _by_url(new["reservations"])),
    ]


def _bindings(before: dict[tuple[str, str], Binding], after: dict[tuple[str, str], Binding]) -> c.Iterator[NamedChange]:
    for place in sorted(before.keys() | after.keys()):
        one, other = before.get(place), after.get(place)
        if one != other:
            known = t.cast(Binding, other or one)
            words = _of_each(words_of, one, other)
            change = _change(known["endpoint"], *words, absent=(one is None, other is None))
            yield {**change, "kind": "binding"}


def _reservations(before: dict[str, Reservation], after: dict[str, Reservation]) -> c.Iterator[NamedChange]:
    for place in sorted(before.keys() | after.keys()):
        one, other = before.get(place), after.get(place)
        if one != other:
            known = t.cast(Reservation, other or one)
            sddl = _of_each(operator.itemgetter("sddl"), one, other)
            change = _change(known["url"], *sddl, absent=(one is None, other is None))
            yield {**change, "kind": "reservation"}


def _server_settings(before: BackedUpServer, after: BackedUpServer) -> list[NamedChange]:
    """Version, service, firewall rule and overriding environment variables. A variable's value may be secret."""
    old, new = _facts(before), _facts(after)
    return [
        _change(
            name,
            old.get(name),
            new.get(name),
            absent=(name not in old, name not in new),
            secret=name.startswith(_VARIABLE),
        )
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


_VARIABLE = "environment variable "


def _facts(described: BackedUpServer) -> dict[str, t.Any]:
    installation, state = described["installation"], described["state"]
    facts: dict[str, t.Any] = {
        "computer name": state["computer_name"],
        "version": installation["version"],
        "configuration folder": installation["config_path"],
    }
    facts |= {
        f"service {name.replace('_', ' ')}": value
        for name, value in state["service"].items()
        if name in SERVICE_SETTINGS
    }
    permissions = state["registry_permissions"]
    facts |= {f"permissions of HKLM\\{one['key']}": sddl_module.normal_form(one["sddl"]) for one in permissions}
    facts |= {f"firewall rule {rule['name']}": rule["rule"] for rule in state["firewall"]}
    for one in described["environment"]:
        name, _equals, value = one["variable"].partition("=")
        facts[f"{_VARIABLE}{name} of the {one['scope']}"] = value
    return facts


def _change(name: str, before: t.Any, after: t.Any, *, absent: tuple[bool, bool], secret: bool = False) -> NamedChange:
    hidden = secret or is_secret_name(name) or any(map(is_secret_value, (before, after)))
    if hidden:
        before = after = None
    kinds = {(True, False): "added", (False, True): "removed"}
    return {
        "change": kinds.get(absent, "changed"),
        "name": name,
        "before": before,
        "after": after,
        "secret": hidden,
    }


def _of_each(value: c.Callable[[t.Any], t.Any], *records: object | None) -> list[t.Any]:
    """A value of each record; None for one that there is not."""
    return [None if record is None else value(record) for record in records]
