# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore does with each file and folder."""

from __future__ import annotations

import collections.abc as c
import itertools

from .._ams.constants import CONFIG, EXTERNAL
from .._ams.description import DATABASE_FOLDER, MEANINGFUL_ATTRIBUTES, inventory_name
from .._ams.shapes import Item, Link
from .._contents.contents import Contents
from .._contents.file_list import FileRecord, FolderRecord
from .._contents.names import path_of
from .._errors import AccessManagerError
from .._windows import sddl as sddl_module
from .plan import FileChange, Plan, PlannedFile, RestoreOptions, WantedFile
from .target_server import TargetServer

_TIME = "time"
_ENCRYPTED = 0x4000
"""FILE_ATTRIBUTE_ENCRYPTED."""


def plan_files(plan: Plan, contents: Contents, server: TargetServer, options: RestoreOptions) -> None:
    configuration = contents.configuration
    root = server["installation"]["config_path"]
    here = {inventory_name(record).lower().rstrip("/"): record for record in server["records"]}
    folders, files = sorted(configuration.folders.items()), sorted(configuration.files.items())
    wanted = [_folder(record, path_of(name, root)) for name, record in folders if is_wanted(name, options)]
    wanted += [_file(record, path_of(name, root)) for name, record in files if is_wanted(name, options)]
    _refuse_unknown_files(wanted, contents, options)
    _refuse_places(wanted, contents, server)
    protected = {f"{CONFIG}{secret['file']}" for secret in plan.secrets if secret["action"] == "protect"}
    for record in wanted:
        now = _of_same_kind(record, here.get(record["name"].lower().rstrip("/")))
        change = _change(record, now, same=_is_same_content(record, now, protected, server))
        if change:
            plan.files.append({**record, **change})
            _leave_encryption(plan, record, now, change)
    if options.mirror and "config" in options.parts and options.files is None:
        kept = set(
            itertools.chain.from_iterable(_with_parents(record["name"].lower().rstrip("/")) for record in wanted)
        )
        plan.files += _removed(server["records"], kept)


def _folder(record: FolderRecord, path: str) -> WantedFile:
    return {
        "name": record["path"],
        "path": path,
        "kind": "folder",
        "created": record["created"],
        "modified": record["modified"],
        "attributes": record["attributes"],
        "sddl": record["sddl"],
    }


def _file(record: FileRecord, path: str) -> WantedFile:
    return {**_folder(record, path), "kind": "file", "sha256": record["sha256"], "size": record["size"]}


def _leave_encryption(plan: Plan, record: WantedFile, now: Item | None, change: FileChange) -> None:
    """A file that a restore writes is a new one: nobody's EFS key encrypts it."""
    encrypted = _ENCRYPTED & (record["attributes"] | (now["attributes"] if now else 0))
    if encrypted and record["kind"] == "file" and change["action"] in ("add", "replace"):
        plan.add_task(
            f"'{record['path']}' was encrypted by Windows (EFS), and is not after this restore: encrypt it again, by "
            "an account whose files the service may read, if it is to be."
        )


def plan_references(plan: Plan, contents: Contents) -> None:
    """Says which references are rewritten in the JSON files that this restore writes."""
    written = {record["name"] for record in plan.files if record["action"] in ("add", "replace")}
    plan.references = [
        {"file": one.file, "key": one.place, "before": one.before, "after": one.after}
        for one in contents.rewrites
        if f"{CONFIG}{one.file}" in written
    ]


def _refuse_unknown_files(wanted: list[WantedFile], contents: Contents, options: RestoreOptions) -> None:
    for name in sorted((options.files or set()) - {record["name"].lower() for record in wanted}):
        raise AccessManagerError(
            f"The backup {contents.source.label} has no file '{name}' among the parts to restore: name it as the "
            "backup does, such as config/scripts/Approve.ps1 or external/C/Scripts/Approve.ps1."
        )


def _refuse_places(wanted: list[WantedFile], contents: Contents, server: TargetServer) -> None:
    """Raises AccessManagerError for a file elsewhere that nothing names, on a drive that is missing, or below a link.
    """
    links, missing = folder_links(server), tuple(root.lower() for root in server["missing_drives"])
    for record in wanted:
        if record["path"].lower().startswith(missing):
            raise AccessManagerError(
                f"'{record['path']}' lies on a drive that {server['computer_name']} does not have: create it first, "
                "leave external out of restore_only, or, on another server, have external_files relocate it."
            )
        if record["name"].startswith(EXTERNAL) and not contents.configuration.names_external(record["name"]):
            raise AccessManagerError(
                f"The backup {contents.source.label} holds '{record['path']}', which its configuration does not name: "
                "it is not restored. To restore the rest, leave external out of restore_only."
            )
        if record["path"].lower().startswith(links):
            raise AccessManagerError(
                f"'{record['path']}' lies below a link on {server['computer_name']}: remove the link first."
            )


def folder_links(server: TargetServer) -> tuple[str, ...]:
    """How the paths begin that lie below a link on the server."""
    return tuple(f"{record['path'].lower()}\\" for record in server["records"] if record["kind"] == "link")


def is_wanted(name: str, options: RestoreOptions) -> bool:
    if name.startswith(DATABASE_FOLDER) and name != DATABASE_FOLDER and not options.include_database:
        return False
    if options.files is not None and name.lower() not in options.files:
        return False
    return name.split("/")[0] in options.parts


def is_same_json(name: str, server: TargetServer) -> bool:
    return server["same_documents"].get(name.removeprefix(CONFIG), False)


def _is_same_content(record: WantedFile, now: Item | None, protected: set[str], server: TargetServer) -> bool:
    if now is None or record["name"] in protected:
        return False
    return is_same_json(record["name"], server) or now.get("sha256") == record.get("sha256")


def _of_same_kind(record: WantedFile, now: Link | Item | None) -> Item | None:
    """What is in the place of a file or folder. Raises AccessManagerError when it is something else."""
    if now and (now["kind"] == "link" or now["kind"] != record["kind"]):
        raise AccessManagerError(
            f"'{now['path']}' is a {now['kind']} on the server, and a {record['kind']} in the backup: remove it first."
        )
    return now


def _change(record: WantedFile, now: Item | None, *, same: bool) -> FileChange | None:
    """What has to be done to a file or folder; None when it is as in the backup."""
    if now is None:
        return {"action": "add", "set": [], "before": None, "size_before": 0}
    if record["kind"] == "file" and not same:
        if "error" in now and not record["name"].startswith(DATABASE_FOLDER):
            raise AccessManagerError(
                f"'{now['path']}' cannot be read now: {now['error']} Close the program that has it open."
            )
        set_details = [detail for detail in _differing_details(record, now) if detail != _TIME]
        return {"action": "replace", "set": set_details, "before": now.get("sha256"), "size_before": now["size"]}
    details = _differing_details(record, now)
    return (
        {"action": "set", "set": details, "before": now.get("sha256"), "size_before": now["size"]}
        if details
        else None
    )


def _differing_details(record: WantedFile, now: Item) -> list[str]:
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


def _removed(records: c.Collection[Link | Item], kept: set[str]) -> list[PlannedFile]:
    """What is in the server's configuration folder and not in the backup, the innermost first.

    Never the database, never links.
    """
    found = [
        record
        for record in records
        if record["kind"] != "link"
        and record["name"].lower() not in kept
        and record["name"].startswith(CONFIG)
        and not f"{record['name']}/".lower().startswith(DATABASE_FOLDER)
    ]
    found.sort(key=lambda record: (record["kind"] == "folder", -record["name"].count("/"), record["name"]))
    links = [record["name"] for record in records if record["kind"] == "link"]
    return [_removal(record) for record in found if not _holds_link(record, links)]


def _holds_link(record: Item, links: c.Iterable[str]) -> bool:
    return record["kind"] == "folder" and any(link.startswith(f"{record['name']}/") for link in links)


def _removal(record: Item) -> PlannedFile:
    return {
        "name": inventory_name(record),
        "path": record["path"],
        "kind": record["kind"],
        "action": "remove",
        "set": [],
        "before": record.get("sha256"),
        "size_before": record["size"],
    }
