# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a restore: from what a backup holds and what a server has, what has to change. Nothing here speaks to a server."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from .._ams import description
from .._ams.constants import SERVICE_SID, is_secret_name
from .._ams.description import DATABASE_FOLDER, MEANINGFUL_ATTRIBUTES, Described, Record
from .._contents.contents import Contents
from .._errors import AccessManagerError
from .._text import printable
from .._windows import sddl as sddl_module

PARTS = ("config", "certificates", "registry", "external")
NEVER_RESTORED = {("", "path"), ("", "version")}
"""Registry values that belong to the installer."""

CONFIGURED = ("", "configured")
ADMINISTRATORS = ("BA", "S-1-5-32-544")
_TIME = "time"
_MODE_CLEAR, _MODE_MACHINE = 0, 1
_SETTINGS = ("account", "image_path", "start", "delayed_start", "depends_on", "sid_type")


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is to be restored, and how. C(files): only these, by their names in the backup in lower case; None for all."""

    parts: frozenset[str] = frozenset(PARTS)
    files: frozenset[str] | None = None
    mirror: bool = True
    include_database: bool = False
    start: bool = False
    require_secrets: bool = True
    allow_version_mismatch: bool = False


@dataclasses.dataclass
class Plan:
    """What has to change, as data for the target's half. C(tasks): what a person has to do, in sentences.

    files: records with C(action) add, replace, set or remove, and C(set), what of a kept one is set.
    registry: C(set) and C(remove). http_sys: C(add) and C(remove), each of C(bindings) and C(reservations).
    certificates: C(thumbprint) and C(action) import, give_key or give_access. secrets: C(path), C(file) and C(action) keep,
    here (the server's own file has it, protected for this server already), protect, enter, clear or untested. configured: whether
    the server must be so afterwards. references: what names a file and is written with another path, as C(file), C(key), C(before)
    and C(after). usable_certificates: thumbprints of those whose keys the service must be able to read.
    """

    files: list[Record] = dataclasses.field(default_factory=list)
    registry: dict[str, list[Record]] = dataclasses.field(default_factory=lambda: {"set": [], "remove": []})
    http_sys: dict[str, dict[str, list[Record]]] = dataclasses.field(
        default_factory=lambda: {"add": _no_http(), "remove": _no_http()}
    )
    certificates: list[Record] = dataclasses.field(default_factory=list)
    secrets: list[Record] = dataclasses.field(default_factory=list)
    usable_certificates: list[str] = dataclasses.field(default_factory=list)
    references: list[Record] = dataclasses.field(default_factory=list)
    tasks: list[str] = dataclasses.field(default_factory=list)
    configured: bool = False
    stop: bool = False
    start: bool = False

    @property
    def changes_server(self) -> bool:
        """Whether anything but certificates changes."""
        http_sys = any(records for kinds in self.http_sys.values() for records in kinds.values())
        return bool(self.files or self.registry["set"] or self.registry["remove"] or http_sys)

    @property
    def changed(self) -> bool:
        return bool(self.changes_server or self.certificates or self.start)

    def as_data(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)

    def lines(self) -> list[str]:
        """The plan for a person: a line for each change and each task."""
        lines = [line for record in self.files for line in _file_lines(record)]
        lines += [f"~ {one['key']} in {one['file']}: {one['before']} -> {one['after']}" for one in self.references]
        lines += [_registry_line(value) for value in self.registry["set"]]
        lines += [f"- registry {_value_name(value)}" for value in self.registry["remove"]]
        lines += [
            f"{sign} {line}" for sign, action in (("-", "remove"), ("+", "add")) for line in _http_lines(self.http_sys[action])
        ]
        lines += self.certificate_lines()
        lines += [
            f"~ secret {one['path']}: {_SECRET_WORDS[one['action']]}" for one in self.secrets if one["action"] in _SECRET_WORDS
        ]
        if self.stop:
            lines.append("* service: stop")
        if self.start:
            lines.append("* service: start")
        return [printable(line) for line in [*lines, *(f"! {task}" for task in self.tasks)]]

    def certificate_lines(self) -> list[str]:
        return [f"+ certificate {one['thumbprint']}: {_CERTIFICATE_WORDS[one['action']]}" for one in self.certificates]


_CERTIFICATE_WORDS = {
    "import": "import it with its private key",
    "give_key": "give it its private key",
    "give_access": "let the service read its private key",
}
_SECRET_WORDS = {
    "protect": "protect it anew for this server",
    "enter": "a person has to enter it again",
    "untested": "restored as it is, without a test",
}


def make(contents: Contents, server: Described, wish: Wish) -> Plan:
    """The plan. Raises AccessManagerError when the restore must not be done at all."""
    refuse_unfit(contents, server, wish)
    plan = Plan()
    if "config" in wish.parts:
        _plan_secrets(plan, contents, server, wish)
    _plan_files(plan, contents, server, wish)
    _plan_references(plan, contents)
    if "registry" in wish.parts:
        _plan_registry(plan, contents, server, wish)
        _plan_http_sys(plan, contents, server, wish)
    if "certificates" in wish.parts:
        _plan_certificates(plan, contents, server)
    _plan_tasks(plan, contents, server, wish)
    _plan_checks(plan, contents, server, wish)
    if any(_is_wanted(f"config/{file}", wish) for file in contents.configuration.documents):
        _refuse_missing_references(plan, contents, server)
    runs = server["state"]["service"]["status"] != "Stopped"
    plan.stop = plan.changes_server and runs
    plan.start = plan.stop or (not runs and (wish.start or bool(server.get("left_stopped"))))
    return plan


def of_certificates(contents: Contents, server: Described) -> Plan:
    """The plan for the certificates alone. They belong to a forest: whichever server was backed up, any other may have them."""
    plan = Plan()
    _plan_certificates(plan, contents, server)
    return plan


def refuse_unfit(contents: Contents, server: Described, wish: Wish) -> None:
    """Raises AccessManagerError when the backup is of another computer, version or place than this server."""
    backup, name = contents.configuration.described, server["computer_name"]
    computer = backup["state"].get("computer_name")
    if computer != name:
        raise AccessManagerError(
            f"The backup {contents.source.label} is of the computer {computer}, and this is {name}: "
            "this restores to the same host only. For another one there is the playbook disaster_recovery (other_server)."
        )
    there, here = backup["installation"].get("version"), server["installation"]["version"]
    if there != here and not wish.allow_version_mismatch:
        raise AccessManagerError(
            f"The backup {contents.source.label} is of Access Manager {there}, and {name} has {here}: install {there} first, "
            "or allow the mismatch with allow_version_mismatch."
        )
    there, here = backup["installation"].get("config_path", ""), server["installation"]["config_path"]
    if there.lower() != here.lower():
        raise AccessManagerError(
            f"The configuration lay in '{there}' when it was backed up, and the registry of {name} says '{here}': set ConfigPath "
            f"under HKLM\\SOFTWARE\\Lithnet\\Access Manager Service\\Parameters to '{there}' first."
        )


# ---- files ----


def _plan_files(plan: Plan, contents: Contents, server: Described, wish: Wish) -> None:
    configuration = contents.configuration
    root = server["installation"]["config_path"]
    here = {description.inventory_name(record).lower().rstrip("/"): record for record in server["records"]}
    wanted = [
        record | {"kind": kind, "name": name, "path": path_of(name, root)}
        for kind, records in (("folder", configuration.folders), ("file", configuration.files))
        for name, record in sorted(records.items())
        if _is_wanted(name, wish)
    ]
    _refuse_unknown_files(wanted, contents, wish)
    _refuse_places(wanted, contents, server)
    protected = {f"config/{secret['file']}" for secret in plan.secrets if secret["action"] == "protect"}
    for record in wanted:
        now = here.get(record["name"].lower().rstrip("/"))
        change = _change(record, now, same=_is_same_content(record, now, protected, server))
        if change:
            plan.files.append(record | change)
    if wish.mirror and "config" in wish.parts and wish.files is None:
        kept = {name for record in wanted for name in _with_parents(record["name"].lower().rstrip("/"))}
        plan.files += _removed(server["records"], kept)


def _plan_references(plan: Plan, contents: Contents) -> None:
    """Tells which references are rewritten in the JSON files that this restore writes."""
    written = {record["name"] for record in plan.files if record["action"] in ("add", "replace")}
    plan.references = [
        {"file": one.file, "key": one.place, "before": one.before, "after": one.after}
        for one in contents.rewrites
        if f"config/{one.file}" in written
    ]


def _refuse_unknown_files(wanted: list[Record], contents: Contents, wish: Wish) -> None:
    for name in sorted((wish.files or set()) - {record["name"].lower() for record in wanted}):
        raise AccessManagerError(
            f"The backup {contents.source.label} has no file '{name}' among the parts to restore: name it as the backup does, such "
            "as config/scripts/Approve.ps1 or external/C/Scripts/Approve.ps1."
        )


def _refuse_places(wanted: list[Record], contents: Contents, server: Described) -> None:
    """Raises AccessManagerError for a file elsewhere that nothing names, on a drive that is missing, or below a link."""
    links, missing = _links(server), tuple(str(root).lower() for root in server.get("missing_drives", []))
    for record in wanted:
        if record["path"].lower().startswith(missing):
            raise AccessManagerError(
                f"'{record['path']}' lies on a drive that {server['computer_name']} has not: make the drive first, leave external "
                "out of restore_only, or, on another server, have external_files relocate it."
            )
        if record["name"].startswith("external/") and not contents.configuration.names_external(record["name"]):
            raise AccessManagerError(
                f"The backup {contents.source.label} holds '{record['path']}', which its configuration does not name: it is not "
                "restored. To restore the rest, leave external out of restore_only."
            )
        if record["path"].lower().startswith(links):
            raise AccessManagerError(f"'{record['path']}' lies below a link on {server['computer_name']}: remove the link first.")


def _links(server: Described) -> tuple[str, ...]:
    """How the paths begin that lie below a link on the server."""
    return tuple(f"{record['path'].lower()}\\" for record in server["records"] if record["kind"] == "link")


def _is_wanted(name: str, wish: Wish) -> bool:
    if name.startswith(DATABASE_FOLDER) and name != DATABASE_FOLDER and not wish.include_database:
        return False
    if wish.files is not None and name.lower() not in wish.files:
        return False
    return name.split("/")[0] in wish.parts


def _is_same_json(name: str, server: Described) -> bool:
    return bool(server.get("same_documents", {}).get(name.removeprefix("config/")))


def _is_same_content(record: Record, now: Described | None, protected: set[str], server: Described) -> bool:
    if now is None or record["name"] in protected:
        return False
    return _is_same_json(record["name"], server) or now.get("sha256") == record.get("sha256")


def path_of(name: str, root: str) -> str:
    """Where a file of a backup belongs on the server."""
    place, _slash, rest = name.rstrip("/").partition("/")
    if place == "config":
        return f"{root}\\{rest}".replace("/", "\\").rstrip("\\")
    drive, _slash, rest = rest.partition("/")
    return f"{drive}:\\{rest}".replace("/", "\\")


def _change(record: Record, now: Described | None, *, same: bool) -> Record | None:
    """What has to be done to a file or folder, as the keys action, set and before; None when it is as in the backup."""
    if now is None:
        return {"action": "add", "set": [], "before": None, "size_before": 0}
    if now["kind"] != record["kind"]:
        raise AccessManagerError(
            f"'{now['path']}' is a {now['kind']} on the server, and a {record['kind']} in the backup: remove it first."
        )
    if record["kind"] == "file" and not same:
        if "error" in now and not record["name"].startswith(DATABASE_FOLDER):
            raise AccessManagerError(f"'{now['path']}' cannot be read now: {now['error']} Close the program that has it open.")
        told = [detail for detail in _differing_details(record, now) if detail != _TIME]
        return {"action": "replace", "set": told, "before": now.get("sha256"), "size_before": now["size"]}
    details = _differing_details(record, now)
    return {"action": "set", "set": details, "before": now.get("sha256"), "size_before": now.get("size", 0)} if details else None


def _differing_details(record: Record, now: Described) -> list[str]:
    """What beside the content differs. The time of a folder changes with what is in it: it alone does not count."""
    differs = {
        _TIME: record["kind"] == "file" and record["modified"] != now["modified"],
        "attributes": (record["attributes"] ^ now["attributes"]) & MEANINGFUL_ATTRIBUTES,
        "permissions": not sddl_module.same(record["sddl"], now["sddl"]),
    }
    return [detail for detail, different in differs.items() if different]


def _with_parents(name: str) -> list[str]:
    """A name and those of the folders above it."""
    steps = name.split("/")
    return ["/".join(steps[:count]) for count in range(1, len(steps) + 1)]


def _removed(records: c.Iterable[Described], kept: set[str]) -> list[Record]:
    """What is in the server's configuration folder and not in the backup, the innermost first. Never the database, never links."""
    found = [
        record
        for record in records
        if record["kind"] != "link"
        and record["name"].lower() not in kept
        and record["name"].startswith("config/")
        and not f"{record['name']}/".lower().startswith(DATABASE_FOLDER)
    ]
    found.sort(key=lambda record: (record["kind"] == "folder", -record["name"].count("/"), record["name"]))
    names = {record["name"] for record in records if record["kind"] == "link"}
    return [
        {"name": description.inventory_name(record), "path": record["path"], "kind": record["kind"], "action": "remove", "set": []}
        | {"before": record.get("sha256"), "size_before": record.get("size", 0)}
        for record in found
        if not (record["kind"] == "folder" and any(name.startswith(f"{record['name']}/") for name in names))
    ]


def _file_lines(record: Record) -> c.Iterator[str]:
    sign = {"add": "+", "replace": "~", "set": "~", "remove": "-"}[record["action"]]
    how = ", ".join([*(["content"] if record["action"] == "replace" else []), *record["set"]])
    yield f"{sign} {record['path']}" + (f" ({how})" if how else "")


# ---- registry and HTTP.sys ----


def _values(state: Described) -> dict[tuple[str, str], Record]:
    return {place_of(value): value for value in state["registry"]}


def place_of(value: Record) -> tuple[str, str]:
    """Where a registry value stands, to compare."""
    return value["key"].lower(), value["name"].lower()


def _plan_registry(plan: Plan, contents: Contents, server: Described, wish: Wish) -> None:
    wanted, here = _values(contents.configuration.described["state"]), _values(server["state"])
    differing = [place for place in wanted.keys() - NEVER_RESTORED if _content(wanted[place]) != _content(here.get(place))]
    differing.sort(key=lambda place: (place == CONFIGURED, place))
    plan.registry["set"] = [wanted[place] | {"before": (here.get(place) or {}).get("data")} for place in differing]
    if wish.mirror:
        plan.registry["remove"] = [here[place] for place in sorted(here.keys() - wanted.keys() - NEVER_RESTORED)]


def _content(value: Record | None) -> tuple[t.Any, t.Any] | None:
    return (value["kind"], value["data"]) if value else None


def _value_name(value: Record) -> str:
    return f"{value['key']}\\{value['name']}" if value["key"] else str(value["name"])


def _registry_line(value: Record) -> str:
    change = "not shown" if is_secret_name(value["name"]) else f"{value['before']} -> {value['data']}"
    return f"{'+' if value['before'] is None else '~'} registry {_value_name(value)}: {change}"


def _no_http() -> dict[str, list[Record]]:
    return {"bindings": [], "reservations": []}


def _plan_http_sys(plan: Plan, contents: Contents, server: Described, wish: Wish) -> None:
    here = server["state"]["http_sys"]
    wanted = description.own_http_configuration(contents.configuration.described["state"]["http_sys"])
    own = description.own_http_configuration(here)
    for kind, key, content in (
        ("bindings", "endpoint", ("thumbprint", "application_id", "store")),
        ("reservations", "url", ("sddl",)),
    ):
        present = {str(record[key]).lower(): record for record in here[kind]}
        for record in wanted[kind]:
            now = present.get(str(record[key]).lower())
            if now and all(_folded(now, name) == _folded(record, name) for name in content):
                continue
            if now and now not in own[kind]:
                raise AccessManagerError(
                    f"HTTP.sys of {server['computer_name']} has '{record[key]}' for another program ({_owner(now)}): free it, "
                    "or leave the registry out with restore_only."
                )
            if kind == "bindings" and record["thumbprint"] not in server.get("machine_certificates", []):
                plan.tasks.append(
                    f"The TLS certificate {record['thumbprint']} is not in LocalMachine\\My with its key: import it there, and "
                    f"bind it to {record['endpoint']} in the configuration tool, or run this again."
                )
                continue
            if now:
                plan.http_sys["remove"][kind].append(now)
            plan.http_sys["add"][kind].append(record)
        if wish.mirror:
            names = {str(record[key]).lower() for record in wanted[kind]}
            plan.http_sys["remove"][kind] += [record for record in own[kind] if str(record[key]).lower() not in names]


def _folded(record: Record, name: str) -> str:
    """A text of HTTP.sys to compare: a certificate without the name of its store is in MY."""
    text = str(record[name]).lower()
    return text or "my" if name == "store" else text


def _owner(record: Record) -> str:
    return f"application {record['application_id']}" if "application_id" in record else f"permissions {record['sddl']}"


def _http_lines(kinds: dict[str, list[Record]]) -> list[str]:
    lines = [f"TLS binding {record['endpoint']} of certificate {record['thumbprint']}" for record in kinds["bindings"]]
    return lines + [f"URL reservation {record['url']}" for record in kinds["reservations"]]


# ---- certificates and secrets ----


def service_may_read(key: Described) -> bool:
    """Whether the service and the administrators may read the file of a key; a key without a file is not judged."""
    sddl = key.get("sddl") or ""
    return not sddl or (sddl_module.may_read(sddl, SERVICE_SID) and sddl_module.may_read(sddl, *ADMINISTRATORS))


def _plan_certificates(plan: Plan, contents: Contents, server: Described) -> None:
    for thumbprint, certificate in (contents.certificates or {}).items():
        found = [one for one in server["certificates"] if one["thumbprint"] == thumbprint]
        keyed = [one for one in found if one["key"]["present"]]
        if keyed:
            action = None if any(service_may_read(one["key"]) for one in keyed) else "give_access"
        elif certificate.pfx is None:
            action = None
            plan.tasks.append(
                f"The backup has no private key of certificate {thumbprint}: import it from its original PFX, or its HSM."
            )
        else:
            action = "give_key" if found else "import"
        if action:
            plan.certificates.append({"thumbprint": thumbprint, "action": action})


def _plan_secrets(plan: Plan, contents: Contents, server: Described, wish: Wish) -> None:
    for secret in contents.configuration.secrets:
        if not _is_wanted(f"config/{secret.file}", wish):
            continue
        action = _secret_action(secret.path, secret.mode, secret.salt_place is not None, secret.file, contents, server)
        plan.secrets.append({"path": secret.path, "file": secret.file, "action": action})
    lost = [secret["path"] for secret in plan.secrets if secret["action"] == "enter"]
    missing = "".join(f" {name} is missing in the backup." for name in contents.source.missing)
    if lost and wish.require_secrets:
        raise AccessManagerError(
            f"{_list(lost)} cannot be opened on {server['computer_name']}, and the backup has no clear value of it: "
            f"a person has to enter it again in the configuration tool after the restore.{missing} "
            "To restore without it, set require_secrets to false."
        )
    plan.tasks += [
        f"Enter {path} again in the configuration tool: it can be opened neither here nor from the backup.{missing}"
        for path in lost
    ]


def _secret_action(path: str, mode: int, salted: bool, file: str, contents: Contents, server: Described) -> str:
    if mode == _MODE_CLEAR:
        return "clear"
    if mode != _MODE_MACHINE:
        return "untested"
    if server.get("opened_secrets", {}).get(path):
        return "keep"
    if _is_same_json(f"config/{file}", server):
        return "here"
    return "protect" if path in contents.secrets and salted else "enter"


def _list(names: c.Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


# ---- what a person has to do, and what is tested ----


def _plan_tasks(plan: Plan, contents: Contents, server: Described, wish: Wish) -> None:
    backup, here = contents.configuration.described["state"], server["state"]
    for setting in _SETTINGS if "registry" in wish.parts else ():
        there = backup.get("service", {}).get(setting)
        if there != here["service"].get(setting):
            plan.tasks.append(
                f"The service's {setting} was {there!r} and is {here['service'].get(setting)!r}: this restore leaves it."
            )
    rules = {rule["rule"] for rule in here["firewall"]}
    if "registry" in wish.parts and any(rule["rule"] not in rules for rule in backup.get("firewall", [])):
        plan.tasks.append(
            "The firewall rule of Access Manager is not as it was, and this restore leaves it: "
            "save the web settings in the configuration tool."
        )
    if "config" in wish.parts and wish.files is None:
        links = [record["path"] for record in server["records"] if record["kind"] == "link"]
        plan.tasks += [f"'{path}' is a link: this restore leaves it." for path in links]
        plan.tasks += [
            f"{reference['key']} names '{reference['value']}', which was missing when the backup was made."
            for reference in contents.configuration.described["references"]
            if reference["place"] != "share" and not reference["exists"]
        ]
    if "certificates" in wish.parts and contents.certificates is None:
        plan.tasks.append("This backup came without its certificates.zip: the certificates are left as they are.")


def _plan_checks(plan: Plan, contents: Contents, server: Described, wish: Wish) -> None:
    """The certificates whose keys the service must be able to read after the restore, and whether it must be configured."""
    imported = [one["thumbprint"] for one in plan.certificates]
    usable = [one["thumbprint"] for one in server["certificates"] if one["key"]["present"] and service_may_read(one["key"])]
    plan.usable_certificates = sorted({*imported, *usable})
    restored = _values(contents.configuration.described["state"]).get(CONFIGURED, {}).get("data") == 1
    plan.configured = restored if "registry" in wish.parts else server["installation"]["configured"]


def _refuse_missing_references(plan: Plan, contents: Contents, server: Described) -> None:
    """Raises AccessManagerError unless every file that the configuration names is on the server, or comes with this restore."""
    links = _links(server)
    paths = {record["path"].lower() for record in server["records"]}
    paths -= {record["path"].lower() for record in plan.files if record["action"] == "remove"}
    paths |= {record["path"].lower() for record in plan.files if record["action"] == "add"}
    for reference in contents.configuration.described["references"]:
        path = str(reference["path"])
        if reference["place"] == "share" or not reference["exists"] or path.lower().startswith(links):
            continue
        if path.lower() not in paths:
            raise AccessManagerError(
                f"The configuration names '{path}', which would not be there after this restore: restore the external files too, "
                "or bring it back."
            )
