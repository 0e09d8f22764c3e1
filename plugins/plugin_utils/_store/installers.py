# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installers beside the backups of a host, ROOT/HOST/installers/VERSION, each with a record, signed or not.

An MSI is kept only when the product code of what the server has installed stands in it.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import hashlib
import json
import pathlib
import re
import typing as t

from .._ams.installer import Installer
from .._ams.json_document import strict
from .._ams.shapes import Count, Sha256
from .._errors import AccessManagerError
from .._shape import ShapeError, checked, matching
from .._signing.signature import LARGEST as LARGEST_SIGNATURE
from .._signing.signer import Signer
from .._signing.trust import Origin
from .._text import printable
from .folder import Folder, explained, sync
from .manifest import ArtifactRecord, Manifest
from .store import BackupStore

FOLDER: t.Final = "installers"
FORMAT: t.Final = 1
CONTENT, RECORD, SIGNATURE = "installer.msi", "record.json", "record.json.sig"
_VERSION = r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,3}"
_OLE = bytes.fromhex("D0CF11E0A1B11AE1")
"""How each MSI begins."""

RECORD_LIMIT: t.Final = 64 * 1024
_CHUNK = 1024 * 1024


class _Record(t.TypedDict):
    """What is known of a kept MSI. C(name): that of the file that was given."""

    format: t.Literal[1]
    host: str
    version: t.Annotated[str, matching(_VERSION, "a version")]
    product_code: t.Annotated[str, matching(r"\{[0-9A-F-]{36}\}", "a product code")]
    name: str
    size: Count
    sha256: Sha256


@dataclasses.dataclass(frozen=True)
class KeptInstaller:
    """An MSI beside the backups. C(record): None when it cannot be read. C(problem): why it is not used, or empty."""

    path: pathlib.Path
    version: str
    record: _Record | None
    origin: Origin
    problem: str

    def as_data(self) -> dict[str, t.Any]:
        known: dict[str, t.Any] = {key: value for key, value in (self.record or {}).items() if key != "format"}
        return (
            known
            | {"version": self.version, "path": str(self.path), "signer": self.origin.signer}
            | {"problem": printable(self.problem)}
        )


def keep(store: BackupStore, source: pathlib.Path, version: str, product_code: str, signer: Signer | None) -> bool:
    """Keeps the MSI of a version, once; returns whether it was not there yet.

    Raises AccessManagerError when the file cannot be read, is no MSI, or is that of another product.
    """
    if not is_version(version):
        raise AccessManagerError(f"The server says that it has version '{printable(version)}', which is none.")
    known = of_version(store, version)
    if known and known.record and known.record["product_code"] == product_code:
        return False
    size, digest = _inspected(source, product_code)
    record: _Record = {
        "format": FORMAT,
        "host": store.host,
        "version": version,
        "product_code": product_code,
        "name": printable(source.name),
        "size": size,
        "sha256": digest,
    }
    with explained(store.folder / FOLDER), store.opened() as host, host.make_subfolder(FOLDER) as folder:
        _write(folder, version, source, record, signer)
    return True


def _write(folder: Folder, version: str, source: pathlib.Path, record: _Record, signer: Signer | None) -> None:
    """Writes an MSI and its record into a folder, which takes the place of what is not used."""
    partial, data = f".partial-{version}", (json.dumps(record, indent=1) + "\n").encode()
    if folder.has(partial):
        folder.remove_tree(partial)
    with folder.whole_subfolder(version) as made:
        _copy(source, made, record["sha256"])
        made.replace_file(RECORD, data)
        if signer:
            made.replace_file(SIGNATURE, signer.sign(data).signature)
        if folder.has(version):
            folder.remove_tree(version)


def kept(store: BackupStore) -> list[KeptInstaller]:
    """The installers beside the backups of a host, by version. Their bytes are not read.

    Raises AccessManagerError when they cannot be listed.
    """
    try:
        with store.opened() as host, host.subfolder(FOLDER) as folder:
            return [_kept(store, version) for version in sorted(filter(is_version, folder.entries()))]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise AccessManagerError(
            f"The installers in '{store.folder / FOLDER}' cannot be listed: {exc.strerror}."
        ) from None


def of_version(store: BackupStore, version: str) -> KeptInstaller | None:
    """The installer of a version that this run would use; None when there is none."""
    with contextlib.suppress(AccessManagerError):
        return next((one for one in kept(store) if one.version == version and not one.problem), None)
    return None


def sentence_of(store: BackupStore, installer: Installer | None) -> str:
    """Which MSI installs the version of a backup, and where it is kept; empty when the backup does not know it."""
    if installer is None:
        return ""
    known = [installer["name"] and f"'{installer['name']}'", f"product code {installer['product_code']}"]
    known += [f"SHA-256 {installer['sha256']}"] if installer["sha256"] else []
    found = of_version(store, installer["version"])
    place = (
        f"It is kept as '{found.path}'."
        if found
        else f"None is kept in '{store.folder / FOLDER}': the option backup_installer keeps one."
    )
    return f"The MSI of {installer['version']} is {', '.join(filter(None, known))}. {place}"


def last_of(store: BackupStore, removed: c.Collection[str]) -> list[str]:
    """The versions of which an installer is kept, and that only backups have which are to be removed."""
    versions = {one.version for one in kept(store)}
    if not versions:
        return []
    try:
        of = {backup_id: store.parsed_manifest(backup_id, store.manifest_bytes(backup_id)) for backup_id in store.ids()}
    except AccessManagerError:
        return []  # what cannot be read may be of any version
    gone = {backup_id: manifest for backup_id, manifest in of.items() if backup_id in removed}
    left = [manifest for backup_id, manifest in of.items() if backup_id not in removed]
    return sorted(versions & _versions_of(gone.values()) - _versions_of(left))


def _versions_of(manifests: c.Iterable[Manifest]) -> set[str]:
    return {installer["version"] for manifest in manifests if (installer := manifest.get("installer"))}


def damage(store: BackupStore) -> list[str]:
    """A sentence for each kept installer that is not accepted, or not what its record says. Reads all of them."""
    return [sentence for one in kept(store) if (sentence := one.problem or _damage(store, one))]


def remove(store: BackupStore, versions: c.Collection[str]) -> None:
    """Removes the installers of these versions."""
    if not versions:
        return
    with explained(store.folder / FOLDER), store.opened() as host, host.subfolder(FOLDER) as folder:
        for version in versions:
            folder.remove_tree(version)
        folder.sync()


def is_version(name: str) -> bool:
    """Whether a folder of that name holds an installer."""
    return re.fullmatch(_VERSION, name) is not None


def artifacts_of(store: BackupStore, version: str, data: bytes) -> list[ArtifactRecord]:
    """The MSI, as the record of a version with these bytes has it.

    Raises AccessManagerError when they are none, or that of another installer.
    """
    return [_artifact(_parsed(store, version, data))]


def _parsed(store: BackupStore, version: str, data: bytes) -> _Record:
    path = store.folder / FOLDER / version / RECORD
    try:
        record = checked(strict(data), _Record)
    except (ValueError, ShapeError) as exc:
        raise AccessManagerError(f"'{path}' is no record of an installer: {exc}.") from None
    if (record["host"], record["version"]) != (store.host, version):
        raise AccessManagerError(f"'{path}' is the record of another installer.")
    return record


def _artifact(record: _Record) -> ArtifactRecord:
    return {
        "name": CONTENT,
        "size": record["size"],
        "sha256": record["sha256"],
        "encryption": "none",
        "recipients": [],
    }


def _open(store: BackupStore, version: str) -> Folder:
    with store.opened() as host, host.subfolder(FOLDER) as folder:
        return folder.subfolder(version)


def _kept(store: BackupStore, version: str) -> KeptInstaller:
    path = store.folder / FOLDER / version / CONTENT
    record, origin = None, Origin()
    try:
        with _open(store, version) as folder:
            data = folder.read_file(RECORD, RECORD_LIMIT)
            record = _parsed(store, version, data)
            origin = store.trust.origin_of(data, _signature(folder), str(folder.path / RECORD))
            problem = _problem(store, folder, record, origin)
    except OSError as exc:
        problem = f"The record of the installer '{path}' cannot be read: {exc.strerror}."
    except AccessManagerError as exc:
        problem = str(exc)
    return KeptInstaller(path, version, record, origin, problem)


def _problem(store: BackupStore, folder: Folder, record: _Record, origin: Origin) -> str:
    if folder.status(CONTENT).st_size != record["size"]:
        return f"The installer '{folder.path / CONTENT}' is not what its record says: its size is another."
    return "" if store.trust.accepts(origin) else f"{origin.problem} The installer is not used."


def _signature(folder: Folder) -> bytes | None:
    try:
        return folder.read_file(SIGNATURE, LARGEST_SIGNATURE)
    except FileNotFoundError:
        return None


def _damage(store: BackupStore, one: KeptInstaller) -> str:
    try:
        with _open(store, one.version) as folder:
            digest = _digest(folder, CONTENT)
    except OSError as exc:
        return f"The installer '{one.path}' cannot be read: {exc.strerror}."
    same = one.record is not None and digest == one.record["sha256"]
    return "" if same else f"The installer '{one.path}' is not what its record says: its SHA-256 is another."


def _digest(folder: Folder, name: str) -> str:
    with folder.open_file(name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inspected(source: pathlib.Path, product_code: str) -> tuple[int, str]:
    """The size and SHA-256 of an MSI that is of that product."""
    digest, size, tail, holds = hashlib.sha256(), 0, b"", False
    wanted = product_code.encode()
    with explained(source, "read"), source.open("rb") as file:
        if file.read(len(_OLE)) != _OLE:
            raise AccessManagerError(f"'{source}' is no MSI: name the installer of Access Manager Service.")
        file.seek(0)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            holds = holds or wanted in tail + chunk
            tail = chunk[-len(wanted) :]
    if not holds:
        raise AccessManagerError(
            f"'{source}' is not the MSI of what is installed on the server: its product code {product_code} is not in "
            "it. Name the MSI of the version that the server has."
        )
    return size, digest.hexdigest()


def _copy(source: pathlib.Path, folder: Folder, wanted: str) -> None:
    digest = hashlib.sha256()
    with source.open("rb") as file, folder.create_file(CONTENT) as copy:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            copy.write(chunk)
        sync(copy)
    if digest.hexdigest() != wanted:
        raise AccessManagerError(f"'{source}' was changed while it was copied: run again.")
