# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a backup lies, and which one is meant: the newest complete one, an id, or a path."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import pathlib

from .. import _display
from .._age.decryption import LARGEST, Decryptor
from .._age.encryption import SUFFIX
from .._errors import AccessManagerError
from .._signing.trust import Origin, Trust
from .._store import manifest as manifest_module
from .._store.artifact import Artifact
from .._store.folder import Folder
from .._store.manifest import PARTS, CertificateRecord, Manifest, part_of
from .._store.store import BackupStore, origin_in

LATEST = "latest"


@dataclasses.dataclass(frozen=True)
class Source:
    """A backup: its parts by name, and its manifest when it has one. C(missing): files that the manifest names.

    C(origin): who made it.
    """

    label: str
    parts: dict[str, Artifact]
    manifest: Manifest | None = None
    missing: tuple[str, ...] = ()
    origin: Origin = Origin()

    @property
    def certificates(self) -> list[CertificateRecord]:
        """Those that the manifest names, if there is one."""
        return self.manifest.get("certificates", []) if self.manifest else []

    def open(self, part: str, decryptor: Decryptor) -> bytes:
        """The clear bytes of a part, from the bytes that were compared with the manifest.

        Raises AccessManagerError when it cannot be read, is not what the manifest says, or does not decrypt.
        """
        artifact = self.parts[part]
        return decryptor.decrypt(
            artifact.path, artifact.read(LARGEST), artifact.record["recipients"] if artifact.record else []
        )


def select(
    store: BackupStore, wanted: str, *, certificates_alone: bool = False, without_secrets: bool = False
) -> Source:
    """The backup that C(latest), an id, or a path names. C(certificates_alone): one without a configuration will do.

    C(without_secrets): one that is named, and whose file of secrets is gone, will do.
    Raises AccessManagerError when there is none, when its artifacts are not what its manifest says, or when it is not
    accepted.
    """
    source = _select(store, wanted, without_secrets=without_secrets)
    if not certificates_alone and "config" not in source.parts:
        raise AccessManagerError(
            f"The backup {source.label} holds certificates alone: certificate_import gives them to a server."
        )
    return source


def _select(store: BackupStore, wanted: str, *, without_secrets: bool) -> Source:
    if "/" in wanted:
        return _at(pathlib.Path(wanted).expanduser(), store, without_secrets=without_secrets)
    manifest = store.latest_complete() if wanted == LATEST else None
    for warning in store.future_warnings() if wanted == LATEST else ():
        _display.warn(warning)
    if wanted == LATEST and manifest is None:
        raise AccessManagerError(
            f"There is no complete backup of {store.host} in '{store.folder}'{store.trust.restriction}."
        )
    if manifest is None:
        if wanted not in store.ids():
            raise AccessManagerError(f"There is no backup '{wanted}' of {store.host} in '{store.folder}'.")
        return _undamaged(source_of(store, store.manifest(wanted)), without_secrets=without_secrets)
    return source_of(store, manifest)


def source_of(store: BackupStore, manifest: Manifest) -> Source:
    """A backup of a store, as its manifest describes it.

    Raises AccessManagerError when a server's has no configuration.
    """
    backup_id = manifest["id"]
    source = _described(store.folder / backup_id, functools.partial(store.backup, backup_id), manifest)
    return dataclasses.replace(source, origin=store.origins.get(backup_id, Origin()))


def _at(path: pathlib.Path, store: BackupStore, *, without_secrets: bool) -> Source:
    """The backup that a path names: its folder, or its config.zip alone. C(store): whose backups are accepted."""
    if path.name in _names("config"):
        opened = functools.partial(_opened, path.parent, check_owner=store.check_owner)
        return Source(str(path), {"config": Artifact(path, opened)}, origin=_of_no_manifest(path, store.trust))
    opened = functools.partial(_opened, path, check_owner=store.check_owner)
    with opened() as folder:
        entries = folder.entries()
        if manifest_module.NAME in entries:
            return _undamaged(_signed(folder, opened, store.trust), without_secrets=without_secrets)
    found = {part: _name_of(part, entries) for part in PARTS}
    parts = {part: Artifact(path / name, opened) for part, name in found.items() if name}
    if "config" not in parts:
        raise AccessManagerError(f"'{path}' holds no backup: there is neither a manifest.json nor a config.zip in it.")
    return Source(str(path), parts, origin=_of_no_manifest(path, store.trust))


def _signed(folder: Folder, opened: c.Callable[[], Folder], trust: Trust) -> Source:
    """The backup in an open folder. Raises AccessManagerError when it has no proper manifest, or is not accepted."""
    data = manifest_module.read_bytes(folder)
    manifest = manifest_module.parse(data, folder.path / manifest_module.NAME)
    origin = origin_in(folder, data, trust)
    trust.refuse(origin)
    return dataclasses.replace(_described(folder.path, opened, manifest), origin=origin)


def _of_no_manifest(path: pathlib.Path, trust: Trust) -> Origin:
    origin = trust.origin_without_manifest(str(path))
    trust.refuse(origin)
    return origin


def _names(part: str) -> tuple[str, str]:
    """What the artifact of a part is named, encrypted and in clear."""
    return PARTS[part] + SUFFIX, PARTS[part]


def _name_of(part: str, entries: list[str]) -> str | None:
    """What the artifact of a part is named among the entries of a folder; the encrypted one when both are there."""
    return next((name for name in _names(part) if name in entries), None)


def _opened(path: pathlib.Path, *, check_owner: bool) -> Folder:
    try:
        return Folder.at(path, check_owner=check_owner)
    except FileNotFoundError:
        raise AccessManagerError(f"There is no backup at '{path}'.") from None
    except OSError as exc:
        raise AccessManagerError(
            f"'{path}' is neither the folder of a backup nor its config.zip or config.zip.age: {exc.strerror}."
        ) from None


def _described(path: pathlib.Path, opened: c.Callable[[], Folder], manifest: Manifest) -> Source:
    records = {part_of(record): record for record in manifest["artifacts"]}
    if "config" not in records and not manifest_module.holds_certificates_alone(manifest):
        raise AccessManagerError(f"The manifest in '{path}' names no config.zip.")
    parts = {part: Artifact(path / record["name"], opened, record) for part, record in records.items()}
    return Source(f"{manifest['id']} of {manifest['host']}", parts, manifest)


def _undamaged(source: Source, *, without_secrets: bool) -> Source:
    """The same backup. Raises AccessManagerError unless its artifacts are what the manifest says."""
    secrets = source.parts.get("secrets") if without_secrets else None
    if secrets and not secrets.is_there:
        parts = {part: artifact for part, artifact in source.parts.items() if part != "secrets"}
        source = dataclasses.replace(source, parts=parts, missing=(secrets.path.name,))
    damage = [sentence for artifact in source.parts.values() if (sentence := artifact.damage)]
    if damage:
        raise AccessManagerError(" ".join(damage))
    return source
