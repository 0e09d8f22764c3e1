# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a backup lies, and which one is meant: the newest complete one, an id, or a path."""

from __future__ import annotations

import dataclasses
import os
import pathlib

from .._age.encryption import SUFFIX
from .._errors import AccessManagerError
from .._signing.trust import Origin, Trust
from .._store import manifest as manifest_module
from .._store.manifest import PARTS, Manifest
from .._store.store import BackupStore, origin_in

LATEST = "latest"


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a backup lies: its parts by name, and its manifest when it has one.

    C(missing): files that the manifest names. C(origin): who made it.
    """

    label: str
    parts: dict[str, pathlib.Path]
    manifest: Manifest | None = None
    missing: tuple[str, ...] = ()
    origin: Origin = Origin()

    def recipients(self, part: str) -> list[str]:
        for artifact in (self.manifest or {}).get("artifacts", []):
            if artifact["name"].split(".")[0] == part:
                return list(artifact.get("recipients", []))
        return []


def select(store: BackupStore, wanted: str, *, certificates_alone: bool = False, without_secrets: bool = False) -> Source:
    """The backup that C(latest), an id, or a path names. C(certificates_alone): one without a configuration will do.

    C(without_secrets): one that is named, and whose file of secrets is gone, will do.
    Raises AccessManagerError when there is none, when its artifacts are not what its manifest says, or when it is not accepted.
    """
    source = _select(store, wanted, without_secrets=without_secrets)
    if not certificates_alone and "config" not in source.parts:
        raise AccessManagerError(f"The backup {source.label} holds certificates alone: certificate_import gives them to a server.")
    return source


def _select(store: BackupStore, wanted: str, *, without_secrets: bool) -> Source:
    if "/" in wanted:
        return _at(pathlib.Path(wanted).expanduser(), store.trust, without_secrets=without_secrets)
    manifest = store.latest_complete() if wanted == LATEST else None
    if wanted == LATEST and manifest is None:
        raise AccessManagerError(f"There is no complete backup of {store.host} in '{store.folder}'{store.trust.restriction}.")
    if manifest is None:
        if wanted not in store.ids():
            raise AccessManagerError(f"There is no backup '{wanted}' of {store.host} in '{store.folder}'.")
        source = _undamaged(store.folder / wanted, store.manifest(wanted), without_secrets=without_secrets)
        return dataclasses.replace(source, origin=store.origins[wanted])
    return dataclasses.replace(source_of(store.folder / manifest["id"], manifest), origin=store.origins[manifest["id"]])


def _at(path: pathlib.Path, trust: Trust, *, without_secrets: bool) -> Source:
    if path.is_file():
        if path.name not in (PARTS["config"], PARTS["config"] + SUFFIX):
            raise AccessManagerError(f"'{path}' is neither the folder of a backup nor its config.zip or config.zip.age.")
        return Source(str(path), {"config": path}, origin=_of_no_manifest(path, trust))
    if not path.is_dir():
        raise AccessManagerError(f"There is no backup at '{path}'.")
    if (path / manifest_module.NAME).exists():
        return _undamaged_at(path, trust, without_secrets=without_secrets)
    parts = {part: found for part, name in PARTS.items() for found in (path / name, path / (name + SUFFIX)) if found.is_file()}
    if "config" not in parts:
        raise AccessManagerError(f"'{path}' holds no backup: there is neither a manifest.json nor a config.zip in it.")
    return Source(str(path), parts, origin=_of_no_manifest(path, trust))


def _undamaged_at(path: pathlib.Path, trust: Trust, *, without_secrets: bool) -> Source:
    data = manifest_module.read_bytes(path / manifest_module.NAME)
    manifest = manifest_module.parse(data, path / manifest_module.NAME)
    origin = origin_in(path, data, trust)
    trust.refuse(origin)
    return dataclasses.replace(_undamaged(path, manifest, without_secrets=without_secrets), origin=origin)


def _of_no_manifest(path: pathlib.Path, trust: Trust) -> Origin:
    origin = trust.origin_without_manifest(str(path))
    trust.refuse(origin)
    return origin


def source_of(folder: pathlib.Path, manifest: Manifest) -> Source:
    """The backup in a folder, as its manifest describes it. Raises AccessManagerError when a server's has no configuration."""
    parts = {artifact["name"].split(".")[0]: folder / artifact["name"] for artifact in manifest["artifacts"]}
    if "config" not in parts and not manifest_module.holds_certificates_alone(manifest):
        raise AccessManagerError(f"The manifest in '{folder}' names no config.zip.")
    return Source(f"{manifest['id']} of {manifest['host']}", parts, manifest)


def _undamaged(folder: pathlib.Path, manifest: Manifest, *, without_secrets: bool) -> Source:
    """The backup in a folder. Raises AccessManagerError unless its artifacts are what the manifest says."""
    source = source_of(folder, manifest)
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
