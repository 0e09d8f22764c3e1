# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contents of a backup, opened in memory. A backup is not trusted: names, sizes, hashes and keys are checked before use."""

from __future__ import annotations

import base64
import binascii
import collections.abc as c
import dataclasses
import functools
import hashlib
import io
import ntpath
import os
import pathlib
import re
import typing as t
import zipfile
import zlib

from .._age.decryption import LARGEST, Opener
from .._age.encryption import SUFFIX
from .._ams import description
from .._ams.constants import FILE_REFERENCES, JSON_FILES, PROTECTED_SECRETS
from .._ams.json_document import Value, find, parse, strict
from .._errors import AccessManagerError
from .._store import manifest as manifest_module
from .._store.manifest import Manifest
from .._store.store import BackupStore
from .._windows import pfx as pfx_module
from .snapshot_stream import is_portable_name

LATEST = "latest"
LARGEST_DOCUMENT = 128 * 1024**2
MOST_ENTRIES = 200_000
CHUNK = 256 * 1024
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
STATE, FILES = "state/installation.json", "files.json"
PARTS = {"config": "config.zip", "certificates": "certificates.zip", "secrets": "secrets.json"}

_THUMBPRINT = re.compile(r"[0-9A-F]{40}")
_FILE: dict[str, type] = {"path": str, "sha256": str, "size": int, "created": str, "modified": str, "attributes": int, "sddl": str}
_FOLDER: dict[str, type] = {key: _FILE[key] for key in ("path", "created", "modified", "attributes", "sddl")}
_STATE: dict[str, type] = {"installation": dict, "state": dict, "references": list}
_LISTS: dict[str, dict[str, type]] = {
    "registry": {"key": str, "name": str, "kind": str},
    "firewall": {"name": str, "rule": str},
    "bindings": {"endpoint": str, "thumbprint": str, "application_id": str, "store": str},
    "reservations": {"url": str, "sddl": str},
    "environment": {"scope": str, "variable": str},
}
"""The lists of the state, and what their records have."""

_REFERENCE: dict[str, type] = {"key": str, "value": str, "path": str, "place": str, "exists": bool}
_OWN_HTTP = {
    "bindings": {
        "endpoint": re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.%]+\]):\d{1,5}"),
        "thumbprint": re.compile(r"[0-9A-Fa-f]{40}"),
        "store": re.compile(r"[A-Za-z0-9]*"),
    },
    "reservations": {
        "url": re.compile(r"https?://(?:[^\s\"'/:\[\]]+|\[[0-9A-Fa-f:.%]+\]):\d{1,5}/[^\s\"']*"),
        "sddl": re.compile(r"[^\"\r\n]+"),
    },
}
"""What Access Manager's own records of HTTP.sys look like: a restore gives them to netsh."""

_REGISTRY_KEYS = ("", "Parameters")
_UNKNOWN_MODE = -1
_SHORT_NAME = re.compile(r"(?=.{1,8}(?:\.|$))[^.~]{1,6}~[0-9]{1,6}(?:\.[^.]{1,3})?")
"""A name of 8 and 3 letters, as Windows makes it for a longer one."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")

Record = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a backup lies: its parts by name, and its manifest when it has one. C(missing): files that the manifest names."""

    label: str
    parts: dict[str, pathlib.Path]
    manifest: Manifest | None = None
    missing: tuple[str, ...] = ()

    def recipients(self, part: str) -> list[str]:
        for artifact in (self.manifest or {}).get("artifacts", []):
            if artifact["name"].split(".")[0] == part:
                return list(artifact.get("recipients", []))
        return []


def select(store: BackupStore, wanted: str, *, certificates_alone: bool = False, without_secrets: bool = False) -> Source:
    """The backup that C(latest), an id, or a path names. C(certificates_alone): one without a configuration will do.

    C(without_secrets): one that is named, and whose file of secrets is gone, will do.
    Raises AccessManagerError when there is none, or its artifacts are not what its manifest says.
    """
    source = _select(store, wanted, without_secrets=without_secrets)
    if not certificates_alone and "config" not in source.parts:
        raise AccessManagerError(f"The backup {source.label} holds certificates alone: certificate_import gives them to a server.")
    return source


def _select(store: BackupStore, wanted: str, *, without_secrets: bool) -> Source:
    if "/" in wanted:
        return _at(pathlib.Path(wanted).expanduser(), without_secrets=without_secrets)
    manifest = store.latest_complete() if wanted == LATEST else None
    if wanted == LATEST and manifest is None:
        raise AccessManagerError(f"There is no complete backup of {store.host} in '{store.folder}'.")
    if manifest is None:
        if wanted not in store.ids():
            raise AccessManagerError(f"There is no backup '{wanted}' of {store.host} in '{store.folder}'.")
        return _undamaged(store.folder / wanted, store.manifest(wanted), without_secrets=without_secrets)
    return described(store.folder / manifest["id"], manifest)


def _at(path: pathlib.Path, *, without_secrets: bool) -> Source:
    if path.is_file():
        if path.name not in (PARTS["config"], PARTS["config"] + SUFFIX):
            raise AccessManagerError(f"'{path}' is neither the folder of a backup nor its config.zip or config.zip.age.")
        return Source(str(path), {"config": path})
    if not path.is_dir():
        raise AccessManagerError(f"There is no backup at '{path}'.")
    if (path / manifest_module.NAME).exists():
        return _undamaged(path, manifest_module.read(path / manifest_module.NAME), without_secrets=without_secrets)
    parts = {part: found for part, name in PARTS.items() for found in (path / name, path / (name + SUFFIX)) if found.is_file()}
    if "config" not in parts:
        raise AccessManagerError(f"'{path}' holds no backup: there is neither a manifest.json nor a config.zip in it.")
    return Source(str(path), parts)


def described(folder: pathlib.Path, manifest: Manifest) -> Source:
    """The backup in a folder, as its manifest describes it. Raises AccessManagerError when a server's has no configuration."""
    parts = {artifact["name"].split(".")[0]: folder / artifact["name"] for artifact in manifest["artifacts"]}
    if "config" not in parts and not manifest_module.holds_certificates_alone(manifest):
        raise AccessManagerError(f"The manifest in '{folder}' names no config.zip.")
    return Source(f"{manifest['id']} of {manifest['host']}", parts, manifest)


def _undamaged(folder: pathlib.Path, manifest: Manifest, *, without_secrets: bool) -> Source:
    """The backup in a folder. Raises AccessManagerError unless its artifacts are what the manifest says."""
    source = described(folder, manifest)
    secrets = source.parts.get("secrets")
    gone = without_secrets and secrets is not None and not os.path.lexists(secrets)
    there = [artifact for artifact in manifest["artifacts"] if not gone or folder / artifact["name"] != secrets]
    damage = BackupStore.damage_in(folder, manifest | {"artifacts": there})
    if damage:
        raise AccessManagerError(" ".join(damage))
    if secrets is None or not gone:
        return source
    parts = {part: path for part, path in source.parts.items() if part != "secrets"}
    return dataclasses.replace(source, parts=parts, missing=(secrets.name,))


# ---- archives ----


class Archive:
    """A zip in memory, of bounded size and with each name once."""

    def __init__(self, data: bytes, label: str) -> None:
        self._label = label
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as exc:
            raise AccessManagerError(f"{label} is not a zip archive: {exc}.") from None
        entries = self._zip.infolist()
        if any(entry.compress_type not in _COMPRESSIONS for entry in entries):
            raise AccessManagerError(f"{label} is compressed in a way that no backup is: it is not opened.")
        if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > LARGEST:
            raise AccessManagerError(
                f"{label} unpacks to more than {MOST_ENTRIES} entries or {LARGEST // 1024**3} GiB: it is not opened."
            )
        self._sizes = {entry.filename: entry.file_size for entry in entries}
        if len({name.lower() for name in self._sizes}) != len(entries) or len({name.upper() for name in self._sizes}) != len(
            entries
        ):
            raise AccessManagerError(f"{label} has two entries of one name: it is not used.")

    @property
    def names(self) -> c.Set[str]:
        return self._sizes.keys()

    def chunks(self, name: str) -> c.Iterator[bytes]:
        """The content of an entry, never more than the archive's list says. Raises AccessManagerError when it does not unpack."""
        left = self._sizes[name]
        try:
            with self._zip.open(name) as member:
                while left and (chunk := member.read(min(left, CHUNK))):
                    left -= len(chunk)
                    yield chunk
                if left or member.read(1):
                    raise AccessManagerError(f"'{name}' in {self._label} has another size than its list says.")
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, OSError) as exc:
            raise AccessManagerError(f"'{name}' in {self._label} does not unpack: {exc}.") from None

    def read(self, name: str) -> bytes:
        """The content of an entry, whole: one that is larger than any document or certificate is refused."""
        if name not in self._sizes:
            raise AccessManagerError(f"{self._label} has no '{name}': it is not used.")
        if self._sizes[name] > LARGEST_DOCUMENT:
            raise AccessManagerError(
                f"'{name}' in {self._label} unpacks to more than {LARGEST_DOCUMENT // 1024**2} MiB: it is not opened."
            )
        return b"".join(self.chunks(name))

    def json(self, name: str) -> Record:
        return _object(self.read(name), f"'{name}' in {self._label}")


def _object(data: bytes, label: str) -> Record:
    try:
        content = strict(data)
    except ValueError:
        raise AccessManagerError(f"{label} is not JSON.") from None
    if not isinstance(content, dict):
        raise AccessManagerError(f"{label} is not an object.")
    return content


def _checked(record: t.Any, shape: dict[str, type], label: str) -> Record:
    for key, kind in shape.items():
        if not isinstance(record, dict) or not isinstance(record.get(key), kind):
            raise AccessManagerError(f"{label} has no proper '{key}': the backup is not used.")
    return t.cast(Record, record)


def _checked_state(content: Record) -> Record:
    """The state of a server as state/installation.json tells it, with the lists that a comparison and a restore read."""
    described, label = _checked(content, _STATE, f"'{STATE}'"), f"'{STATE}'"
    state = _checked(described["state"], {"registry": list, "service": dict, "http_sys": dict, "firewall": list}, label)
    http_sys = _checked(state["http_sys"], {"bindings": list, "reservations": list}, label)
    lists = _checked(state | http_sys | {"environment": described.get("environment", [])}, dict.fromkeys(_LISTS, list), label)
    for name, shape in _LISTS.items():
        for record in lists[name]:
            _checked(record, shape, f"A record of '{name}' in '{STATE}'")
    for reference in described["references"]:
        _checked(reference, _REFERENCE, f"A record of 'references' in '{STATE}'")
    for value in state["registry"]:
        if value["key"] not in _REGISTRY_KEYS or not _is_registry_data(value["kind"], value.get("data")):
            raise AccessManagerError(f"The registry value '{value['name']}' in '{STATE}' cannot be one: the backup is not used.")
    for name, records in description.own_http_configuration(http_sys).items():
        for key, pattern in _OWN_HTTP[name].items():
            for record in records:
                if not pattern.fullmatch(record[key]):
                    raise AccessManagerError(f"'{STATE}' has {name} of HTTP.sys with the {key} '{record[key]}': it cannot be one.")
    return described


def _is_registry_data(kind: str, data: t.Any) -> bool:
    """Whether a registry value of that kind can have that data, as JSON holds it."""
    if kind in ("String", "ExpandString"):
        return isinstance(data, str)
    if kind in ("DWord", "QWord"):
        bits = 32 if kind == "DWord" else 64
        return isinstance(data, int) and not isinstance(data, bool) and -(2 ** (bits - 1)) <= data < 2 ** (bits - 1)
    if kind in ("Binary", "None"):
        return isinstance(data, str) and _is_base64(data)
    return kind == "MultiString" and isinstance(data, list) and all(isinstance(line, str) for line in data)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


# ---- the configuration ----


@dataclasses.dataclass(frozen=True)
class Secret:
    """A protected secret of the configuration, and where its data and salt stand in its file."""

    file: str
    path: str
    mode: int
    data: str
    salt: str
    data_place: tuple[int, int]
    salt_place: tuple[int, int] | None


class Configuration:
    """What config.zip holds, each file checked against files.json.

    C(tolerant): a JSON file that does not parse is no error; C(unreadable) says why of each.
    """

    def __init__(self, data: bytes, *, tolerant: bool = False) -> None:
        self._archive = Archive(data, PARTS["config"])
        self.described = _checked_state(self._archive.json(STATE))
        listed = self._archive.json(FILES)
        self.files = {record["path"]: record for record in self._records(listed.get("files"), _FILE)}
        self.folders = {record["path"]: record for record in self._records(listed.get("folders"), _FOLDER)}
        self._check_names()
        for name in self.files:
            self._check_content(name)
        self.unreadable: dict[str, str] = {}
        self.documents = dict(self._documents(tolerant=tolerant))

    def chunks(self, name: str) -> c.Iterator[bytes]:
        return self._archive.chunks(name)

    def read(self, name: str) -> bytes:
        return self._archive.read(name)

    @property
    def secrets(self) -> list[Secret]:
        """The protected secrets; of a path that stands in two files, the one that Access Manager reads."""
        found: dict[str, Secret] = {}
        for file, document in self.documents.items():
            for path in PROTECTED_SECRETS:
                for place, value in find(document, path):
                    if secret := _secret(file, place, value):
                        found[place.lower()] = secret
        return list(found.values())

    def names_external(self, name: str) -> bool:
        """Whether the JSON files name the file elsewhere that has that name in a backup."""
        return name in self._external

    def external_name(self, path: str) -> str | None:
        """The name in this backup of a file elsewhere on the server, by its path; None when it does not hold it.

        Raises AccessManagerError when a short name such as PROGRA~1 may stand for several files.
        """
        found = self._external_names(path)
        if len(found) > 1:
            raise AccessManagerError(
                f"The configuration names '{path}', which has a short name, and the backup holds {len(found)} files that it may "
                f"stand for: {_listed(found)}. Write the long name in the configuration, back up again, and restore that backup."
            )
        return found[0] if found else None

    def _external_names(self, path: str) -> list[str]:
        """The file of that path; when there is none, those for which its short names may stand."""
        exact = _external_name(path)
        return [name for name in self.files if exact.fullmatch(name)] or [
            name for name in self.files if _external_name(path, short=True).fullmatch(name)
        ]

    @functools.cached_property
    def _external(self) -> set[str]:
        """The files elsewhere that the JSON files name. A short name stands for the one file that it can be, or that was found."""
        root = str(self.described["installation"].get("config_path", ""))
        recorded = {reference["value"].lower(): reference["path"] for reference in self.described["references"]}
        named: set[str] = set()
        for value, folder in self._referenced():
            found = self._external_names(ntpath.normpath(ntpath.join(root, folder, value)))
            there = self._external_names(ntpath.normpath(recorded.get(value.lower(), ""))) if len(found) > 1 else found
            named.update(set(found).intersection(there) if len(there) == 1 else ())
        return named

    def _referenced(self) -> c.Iterator[tuple[str, str]]:
        """What the JSON files name, and the folder in which a bare name lies."""
        for document in self.documents.values():
            for path, folder in FILE_REFERENCES.items():
                yield from ((value.value, folder) for _place, value in find(document, path) if isinstance(value.value, str))

    def _records(self, records: t.Any, shape: dict[str, type]) -> c.Iterator[Record]:
        if not isinstance(records, list):
            raise AccessManagerError(f"'{FILES}' in {PARTS['config']} lists no files: the backup is not used.")
        for record in records:
            _checked(record, shape, f"A file of '{FILES}'")
            if not is_portable_name(record["path"].removesuffix("/")) or not all(
                _TIME.fullmatch(record[key]) for key in ("created", "modified")
            ):
                raise AccessManagerError(f"'{FILES}' describes '{record['path']}', which cannot be a file of a backup.")
            yield record

    def _check_names(self) -> None:
        listed, held = self.files.keys() | self.folders.keys(), self._archive.names - {STATE, FILES}
        for name in sorted(listed ^ held):
            where = f"'{FILES}' describes it, but it is not there" if name in listed else f"'{FILES}' does not describe it"
            raise AccessManagerError(f"'{name}' in {PARTS['config']} is not as it was backed up: {where}.")
        if "config/" not in self.folders:
            raise AccessManagerError(f"{PARTS['config']} holds no configuration folder.")

    def _check_content(self, name: str) -> None:
        digest, size = hashlib.sha256(), 0
        for chunk in self._archive.chunks(name):
            digest.update(chunk)
            size += len(chunk)
        if (size, digest.hexdigest()) != (self.files[name]["size"], self.files[name]["sha256"]):
            raise AccessManagerError(f"'{name}' in {PARTS['config']} is not as it was backed up: its size or SHA-256 is another.")

    def _documents(self, *, tolerant: bool) -> c.Iterator[tuple[str, Value]]:
        for file in JSON_FILES:
            name = f"config/{file}"
            if name in self.files:
                try:
                    yield file, parse(self.read(name))
                except ValueError as exc:
                    self.unreadable[file] = str(exc)
                    if tolerant:
                        continue
                    raise AccessManagerError(
                        f"{file} in the backup is not JSON in UTF-8 as a restore reads it: {exc}. "
                        "Use another backup, or restore this one by hand (README, Restoring by hand)."
                    ) from None


def _external_name(path: str, *, short: bool = False) -> re.Pattern[str]:
    """The name that a path has in a backup, whatever its capitals. C(short): with names such as PROGRA~1 for any."""
    drive, rest = ntpath.splitdrive(path)
    steps = [step.rstrip(". ") for step in rest.strip("\\").split("\\")]
    name = "/".join("[^/]+" if short and _SHORT_NAME.fullmatch(step) else re.escape(step) for step in steps)
    return re.compile(f"external/{re.escape(drive.removesuffix(':'))}/{name}", re.IGNORECASE)


def _listed(names: c.Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _mode(value: t.Any) -> int:
    """The mode of a secret as the server's half reads it: 0 when it is not given, a number in a text too."""
    try:
        return round(float(value or 0))
    except (TypeError, ValueError, OverflowError):
        return _UNKNOWN_MODE


def _secret(file: str, place: str, value: Value) -> Secret | None:
    data, salt, mode = value.text("Data"), value.member("Salt"), value.member("Mode")
    if data is None:
        return None
    written = t.cast(tuple[str, Value], value.member("Data"))[1]
    salted = salt[1] if salt and isinstance(salt[1].value, str) else None
    return Secret(
        file=file,
        path=place,
        mode=_mode(mode[1].value if mode else 0),
        data=data,
        salt=salted.value if salted else "",
        data_place=(written.start, written.end),
        salt_place=(salted.start, salted.end) if salted else None,
    )


# ---- certificates and secrets ----


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate of a backup. C(pfx) and C(password): None when its key is not in the backup."""

    thumbprint: str
    certificate: bytes
    pfx: bytes | None = dataclasses.field(default=None, repr=False)
    password: str | None = dataclasses.field(default=None, repr=False)


def read_certificates(data: bytes) -> dict[str, Certificate]:
    """The certificates of certificates.zip by thumbprint, each key proved."""
    archive = Archive(data, PARTS["certificates"])
    passwords = archive.json("passwords.json")
    return {thumbprint: read_certificate(archive, passwords, thumbprint) for thumbprint in thumbprints_in(archive)}


def thumbprints_in(archive: Archive) -> list[str]:
    """The thumbprints of the certificates in certificates.zip. Raises AccessManagerError when something else is in it."""
    for name in sorted(archive.names - {"passwords.json"}):
        thumbprint, _dot, kind = name.partition(".")
        if not _THUMBPRINT.fullmatch(thumbprint) or kind not in ("cer", "pfx"):
            raise AccessManagerError(f"{PARTS['certificates']} has an entry '{name}', which is no certificate: it is not used.")
    return sorted({name.partition(".")[0] for name in archive.names - {"passwords.json"}})


def read_certificate(archive: Archive, passwords: Record, thumbprint: str) -> Certificate:
    """One certificate of certificates.zip. Raises AccessManagerError when it is another, or its key is not proved."""
    certificate = archive.read(f"{thumbprint}.cer")
    if f"{thumbprint}.pfx" not in archive.names:
        if hashlib.sha1(certificate, usedforsecurity=False).hexdigest().upper() != thumbprint:
            raise AccessManagerError(f"'{thumbprint}.cer' in {PARTS['certificates']} is another certificate than its name says.")
        return Certificate(thumbprint, certificate)
    pfx, password = archive.read(f"{thumbprint}.pfx"), str(passwords.get(thumbprint, ""))
    if pfx_module.prove(pfx, password, thumbprint) != certificate:
        raise AccessManagerError(f"'{thumbprint}.cer' in {PARTS['certificates']} is not the certificate of its PFX.")
    return Certificate(thumbprint, certificate, pfx, password)


def read_secret_records(data: bytes) -> dict[str, Record]:
    """What secrets.json tells of each secret, by path: C(mode), and C(value) or C(error)."""
    return {path: record for path, record in _object(data, PARTS["secrets"]).items() if isinstance(record, dict)}


def read_secrets(data: bytes) -> dict[str, str]:
    """The values of secrets.json by path, without those that could not be opened."""
    records = read_secret_records(data)
    return {path: record["value"] for path, record in records.items() if isinstance(record.get("value"), str)}


# ---- all of it ----


@dataclasses.dataclass(frozen=True)
class Rewrite:
    """What a string of a JSON file said on the old server, and what it says on the new one.

    C(was_inside): whether the file that it names lay in the configuration folder.
    """

    file: str
    place: str
    before: str
    after: str
    was_inside: bool


@dataclasses.dataclass(frozen=True)
class Contents:
    """An opened backup. C(certificates) is None when it was not asked for, or has none.

    C(held): the configuration; None when the backup holds certificates alone. C(rewrites): when it was made for another server.
    """

    source: Source
    held: Configuration | None
    certificates: dict[str, Certificate] | None
    secrets: dict[str, str] = dataclasses.field(repr=False)
    rewrites: tuple[Rewrite, ...] = ()

    @property
    def configuration(self) -> Configuration:
        """Raises AccessManagerError when the backup holds certificates alone."""
        if self.held is None:
            raise AccessManagerError(f"The backup {self.source.label} holds certificates alone.")
        return self.held


def open_contents(source: Source, opener: Opener, *, certificates: bool) -> Contents:
    """Opens and checks a backup, all that a restore of it needs."""
    if certificates and "certificates" not in source.parts and source.manifest:
        raise AccessManagerError(f"The backup {source.label} has no certificates.zip.")

    def part(name: str) -> bytes:
        return opener.open(source.parts[name], source.recipients(name))

    return Contents(
        source=source,
        held=Configuration(part("config")) if "config" in source.parts else None,
        certificates=read_certificates(part("certificates")) if certificates and "certificates" in source.parts else None,
        secrets=read_secrets(part("secrets")) if "secrets" in source.parts else {},
    )
