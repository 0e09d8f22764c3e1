# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the controller: what a backup needs there before anything is asked of a server."""

from __future__ import annotations

import typing as t

from .._age.encryption import Encryptor
from .._signing.signer import Signer, refuse_without_key
from .._signing.trust import Trust
from .._store.partial import refuse_unusable_root
from .._store.store import BackupStore
from .._windows import pfx
from . import throwaway
from .verdict import Check, Verdict, failure, ok, warning, without_error


class Controller(t.NamedTuple):
    """The options of the doctor, the name under which the host's backups lie, and how many bytes a backup of it may
    have.
    """

    params: dict[str, t.Any]
    host: str
    expected_bytes: int = 0


def _recipients(controller: Controller) -> Verdict:
    def verdict() -> Verdict:
        params = controller.params
        common = Encryptor.of(params)
        keys = Encryptor.of(params | {"recipients": params["certificate_recipients"] or params["recipients"]})
        if common.encryption == "none":
            return warning("Backups are not encrypted.", "Name recipients, and set access_manager_encryption to age.")
        if common.encryption == "passphrase":
            return ok("Backups are encrypted under a passphrase.")
        return ok(
            f"Backups are encrypted to {len(common.recipients)} recipients, private keys to {len(keys.recipients)}."
        )

    return without_error(verdict, "Correct it in the inventory: docs/keys.md says how.")


def _root(controller: Controller) -> Verdict:
    root = controller.params["backup_root"]
    if not root:
        return failure("No backup root is named.", "Set access_manager_backup_root to a folder on the controller.")

    def verdict() -> Verdict:
        refuse_unusable_root(
            BackupStore.of(controller.params, controller.host),
            controller.expected_bytes,
            allow_unmounted=controller.params["allow_unmounted_root"],
        )
        return ok(f"'{root}' is writable, and has space for a backup.")

    return without_error(verdict, "Correct it on the controller: docs/security.md says who may write there.")


def _signing(controller: Controller) -> Verdict:
    def verdict() -> Verdict:
        trust, signer = Trust.of(controller.params), Signer.of(controller.params)
        refuse_without_key(trust, signer, "a backup")
        if signer is None:
            return warning(
                "Backups are not signed: a restore cannot verify who made them.",
                "Make a key with ssh-keygen, and name it in access_manager_signing_key.",
            )
        signer.tried()
        if not trust.signers:
            return warning(
                f"Backups are signed with '{signer.key}', and those of any origin are accepted.",
                "Name that key's public half in access_manager_allowed_signers.",
            )
        return ok(f"Backups are signed with '{signer.key}', which is among the allowed signers.")

    return without_error(verdict, "Correct it on the controller: docs/security.md#signed-backups says how.")


def _cryptography(_controller: Controller) -> Verdict:
    """Decrypts a PFX as Windows makes them: a controller that allows FIPS algorithms only cannot."""

    def verdict() -> Verdict:
        made = throwaway.make()
        pfx.verify(made.pfx, made.password, made.thumbprint)
        return ok("This controller decrypts a PFX as Windows makes it, and verifies its key.")

    return without_error(
        verdict, "Until then no backup can show that its private keys are sound: each will be incomplete."
    )


CHECKS: tuple[Check[Controller], ...] = (
    Check("recipients", _recipients),
    Check("signing", _signing),
    Check("backup root", _root),
    Check("PFX on the controller", _cryptography),
)
