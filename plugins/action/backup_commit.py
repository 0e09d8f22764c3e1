# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a backup on the controller, publishes it when its parts are whole, or discards it."""

from __future__ import annotations

import collections.abc as c
import datetime
import pathlib
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._age.encryption import Encryptor
from ..plugin_utils._ams.installer import product_code_of
from ..plugin_utils._ams.shapes import InstalledProduct, Thumbprint
from ..plugin_utils._directory import uncovered_keys
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._shape import ShapeError, checked
from ..plugin_utils._signing.signer import Signer, refuse_without_key
from ..plugin_utils._signing.trust import Origin, Trust
from ..plugin_utils._store import installers
from ..plugin_utils._store import manifest as manifest_module
from ..plugin_utils._store.attachments import Attachments
from ..plugin_utils._store.high_water_mark import HighWaterMark, Mark
from ..plugin_utils._store.inventory import COMPUTER_NAME, compare_inventories
from ..plugin_utils._store.manifest import Census, CertificateRecord, Manifest, PartRecord
from ..plugin_utils._store.partial import PartialBackup, refuse_unusable_root, sweep
from ..plugin_utils._store.store import BackupStore
from ..plugin_utils._store.unchanged import Encryption, is_unchanged
from ..plugin_utils._text import printable, shortened, timestamp

_RETURNED = (
    "id",
    "host",
    "status",
    "problems",
    "files",
    "bytes",
    "certificates",
    "secrets",
    "stopped",
    "downtime_ms",
    "health_warnings",
    "installer",
    "tls_certificates",
    "content_digest",
    "directory",
)


T = t.TypeVar("T")


class _Published(t.TypedDict):
    """What directory_info returns of published certificates without a census."""

    uncovered: list[Thumbprint]


class ActionModule(AccessManagerAction):
    store: BackupStore
    high_water_mark: HighWaterMark

    def perform(self) -> dict[str, t.Any]:
        self.store = BackupStore.of(self.params, self.host)
        self.high_water_mark = HighWaterMark(self.store, self.params["state_dir"])
        steps = {
            "checked": self._check,
            "known": self._certificates_before,
            "opened": self._open,
            "committed": self._commit,
            "discarded": self._discard,
            "attached": self._attach,
        }
        return steps[self.params["state"]]()

    def _check(self) -> dict[str, t.Any]:
        self._encryption()
        self._refuse_unusable_root()
        self._refuse_unsigned("a backup")
        return {"started": timestamp(datetime.datetime.now(datetime.UTC))}

    def _certificates_before(self) -> dict[str, t.Any]:
        """Of which certificates the newest complete backup has the keys."""
        self.store.trust = self._trust()
        before = self._newest_complete()
        certificates = before.get("certificates", []) if before else []
        return {"thumbprints": [one["thumbprint"] for one in certificates if one["exported"]]}

    def _newest_complete(self) -> Manifest | None:
        """That of those that are accepted.

        Where signatures do not show who made a backup, only the one counts that this controller published last, if it
        knows one.
        """
        published = None if self.store.trust.is_required else self.high_water_mark.newest_complete()
        return self.store.latest_complete(only=published.sha256 if published else None)

    def _open(self) -> dict[str, t.Any]:
        """Opens a backup, unless the newest complete one holds the same content under the same keys."""
        encryption = self._encryption()
        self.store.trust = self._trust()
        inventory = self._required("inventory")
        self._refuse_unusable_root()
        if not self.check_mode:
            sweep(self.store)
        self.warnings += [*self.high_water_mark.problems(), *self.store.future_warnings()]
        known = self._newest_complete()
        if known and is_unchanged(known, inventory, encryption) and not self.params["force"]:
            return {"unchanged": True, "latest": _summary(known, self.store)} | self._keep_beside()
        latest = known or self.store.latest_complete()
        self.warnings += [*_another_computer(latest, inventory, self.host), *self._passed_over()]
        comparison = compare_inventories(latest["inventory"] if latest else {}, inventory)
        result = {"changed": True, "unchanged": False, "comparison": comparison, "diff": _diff(comparison, latest)}
        if not self.check_mode:
            result["backup_id"] = PartialBackup.begin(self.store).id
        return self._keep_beside() | result

    def _keep_beside(self) -> dict[str, t.Any]:
        """Keeps what is to lie beside the backups."""
        installer, attachments = self._keep_installer(), self._keep_attachments()
        changed = installer.get("changed", False) or bool(attachments["kept_attachments"])
        return installer | attachments | {"changed": changed}

    def _attach(self) -> dict[str, t.Any]:
        """Keeps attachments, and asks no server anything. Here it is the work, so one that cannot be kept is a failure.
        """
        self.store.trust = self._trust()
        self._refuse_unusable_root()
        kept = self._keep_attachments()
        problems = kept["attachment_problems"]
        return kept | {
            "changed": bool(kept["kept_attachments"]),
            "failed": bool(problems),
            "msg": " ".join(problems),
        }

    def _keep_attachments(self) -> dict[str, t.Any]:
        """Keeps the files that an administrator gave, encrypted as keys are. One that cannot be kept fails no backup.
        """
        sources = list(map(pathlib.Path, self.params["attachments"]))
        attachments = Attachments(self.store, self.params["state_dir"])
        encryptor, signer = self._encryptor_of_keys(), Signer.of(self.params)
        try:
            if sources:
                self._refuse_unsigned("an attachment")
            kept, problems = attachments.keep(sources, encryptor, signer, check_mode=self.check_mode)
        except AccessManagerError as exc:
            kept, problems = [], [f"No attachment is kept: {exc}"]
        self.warnings += [*problems, *attachments.lost()]
        return {"kept_attachments": kept, "attachment_problems": problems}

    def _keep_installer(self) -> dict[str, t.Any]:
        """Keeps the MSI beside the backups. That it is another, or cannot be read, fails no backup."""
        if self.params["installer"] is None or self.check_mode:
            return {"installer_problem": ""}
        try:
            product = checked(self.params["installed"], InstalledProduct, "installed")
            source, code = pathlib.Path(self.params["installer"]), product_code_of(product)
            return {
                "changed": installers.keep(self.store, source, product["version"], code, Signer.of(self.params)),
                "installer_problem": "",
            }
        except ShapeError:
            problem = "Windows Installer of the server does not know Access Manager, so no MSI is kept."
        except AccessManagerError as exc:
            problem = f"No MSI is kept: {exc}"
        self.warnings.append(problem)
        return {"installer_problem": problem}

    def _passed_over(self) -> c.Iterator[str]:
        """A sentence when the newest backup is damaged or not accepted: the new one is made all the same."""
        ids, newest = self.store.ids(), self.store.newest()
        if ids and (newest is None or newest[0] != ids[-1]):
            yield (
                f"The newest backup of {self.host}, {ids[-1]}, cannot be read or is not accepted. The new backup "
                "names the one before it. Run the playbook verify: it says what is wrong."
            )

    def _commit(self) -> dict[str, t.Any]:
        self.store.trust = Trust.of(self.params)
        backup = self._partial()
        records = backup.records()
        if self.params["directory"] is not None:
            records["directory"] = _directory_record(
                self.params["directory"], records["certificates"]["manifest"].get("certificates", [])
            )
        warnings = self.params["health_warnings"] + records["config"]["manifest"].get("health_warnings", [])
        said = [printable(shortened(one)) for one in warnings[: manifest_module.MOST_LISTED]]
        records["health"] = {"problems": [], "manifest": {"health_warnings": said}, "inventory": {}}
        manifest = backup.manifest(records, datetime.datetime.now(datetime.UTC))
        if not self.check_mode:
            self._publish(backup, manifest)
        return {"changed": True} | _summary(manifest, self.store)

    def _publish(self, backup: PartialBackup, manifest: Manifest) -> None:
        """Publishes the backup. A warning says when the high-water mark could not record it."""
        backup.publish(manifest, Signer.of(self.params))
        try:
            self.high_water_mark.advance(Mark.of(manifest, manifest_module.to_bytes(manifest)))
        except AccessManagerError as exc:
            self.warnings.append(
                f"The backup {backup.id} is published, but a store that goes back in time would not be noticed: {exc}"
            )

    def _discard(self) -> dict[str, t.Any]:
        backup = self._partial()
        return {"changed": False if self.check_mode else backup.discard()}

    def _refuse_unusable_root(self) -> None:
        allow_unmounted = self.params["allow_unmounted_root"]
        refuse_unusable_root(self.store, self.params["expected_bytes"], allow_unmounted=allow_unmounted)

    def _partial(self) -> PartialBackup:
        return PartialBackup(self.store, self._required("backup_id"))

    def _encryption(self) -> Encryption:
        """How each part of the backup will be encrypted, by part."""
        common = Encryptor.of(self.params)
        encryptors = dict.fromkeys(manifest_module.PARTS, common) | {"certificates": self._encryptor_of_keys()}
        return {part: (encryptor.encryption, list(encryptor.recipients)) for part, encryptor in encryptors.items()}

    def _encryptor_of_keys(self) -> Encryptor:
        """How the certificates are encrypted, and the attachments, which may hold keys too."""
        recipients = self.params["certificate_recipients"] or self.params["recipients"]
        return Encryptor.of(self.params | {"recipients": recipients})

    def _trust(self) -> Trust:
        """Which backups count as the last one: those of the allowed signers, or without these those of this run's own
        key.
        """
        trust, signer = Trust.of(self.params), Signer.of(self.params)
        return signer.tried() if signer and not trust.signers else trust

    def _refuse_unsigned(self, what: str) -> None:
        """Raises AccessManagerError when what is kept would not be accepted afterwards, for want of a signature."""
        trust, signer = Trust.of(self.params), Signer.of(self.params)
        if trust.is_required:
            refuse_without_key(trust, signer, what)
        if signer:
            signer.tried()

    def _required(self, option: str) -> t.Any:
        if self.params[option] is None:
            raise AccessManagerError(f"{option} is required when state is {self.params['state']}.")
        return self.params[option]


def _directory_record(census: dict[str, t.Any], certificates: list[CertificateRecord]) -> PartRecord:
    """What the manifest says of a census, and a problem for each key that neither this backup nor an older one holds.

    Without a census, of the published certificates alone. One that failed is a problem too: the rest of the server is
    backed up all the same.
    """
    held = {certificate["thumbprint"] for certificate in certificates if certificate["exported"]}
    if "forests" in census and "keys" not in census:
        lacking = [one for one in _answer(census, _Published)["uncovered"] if one not in held]
        return {"problems": list(map(uncovered_keys.problem_of_published, lacking)), "manifest": {}, "inventory": {}}
    if "keys" not in census:
        reason = str(census.get("msg") or "the census failed.")
        problem = f"It is not known on which keys the passwords in the directory depend: {reason}"
        return {"problems": [problem], "manifest": {}, "inventory": {}}
    counted = _answer(census, Census)
    for key in counted["keys"]:
        key["covered"] = key["covered"] or key["thumbprint"] in held
    return {
        "problems": [uncovered_keys.problem_of_counted(key) for key in counted["keys"] if not key["covered"]],
        "manifest": {"directory": counted},
        "inventory": {},
    }


def _answer(result: dict[str, t.Any], shape: type[T]) -> T:
    """What a shape lists of the answer of the directory. Raises AccessManagerError when it has another shape."""
    try:
        return checked(result, shape, "directory")
    except ShapeError as exc:
        raise AccessManagerError(
            f"directory is not what directory_info returns: {exc}. Give it the registered result."
        ) from None


def _another_computer(latest: Manifest | None, inventory: dict[str, str], host: str) -> c.Iterator[str]:
    """A sentence when the newest complete backup is of another computer: no restore of it is accepted there."""
    known = latest["inventory"].get(COMPUTER_NAME) if latest else None
    if latest and known not in (None, inventory.get(COMPUTER_NAME)):
        yield (
            f"The server behind {host} has another computer name than in the backup {latest['id']}: it was renamed, or "
            "another server answers. See whether the inventory is right."
        )


def _summary(manifest: Manifest, store: BackupStore) -> dict[str, t.Any]:
    """What a result says of a backup."""
    size = sum(artifact["size"] for artifact in manifest["artifacts"])
    return {key: value for key, value in manifest.items() if key in _RETURNED} | {
        "path": str(store.folder / manifest["id"]),
        "signer": store.origins.get(manifest["id"], Origin()).signer,
        "size": size,
    }


def _diff(comparison: dict[str, list[str]], latest: Manifest | None) -> dict[str, str]:
    """What --diff shows: one line for each thing that is not as in the last backup."""
    since = f"since {latest['id']}" if latest else "there is no complete backup before this one"
    lines: list[str] = []
    for kind, sign in (("added", "+"), ("changed", "~"), ("removed", "-")):
        lines += [f"{sign} {name}" for name in comparison[kind]]
    return {"prepared": "\n".join([f"Changes ({since}):", *(lines or ["  none"])]) + "\n"}
