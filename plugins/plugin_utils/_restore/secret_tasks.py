# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person has to do about the protected secrets of the configuration when a server takes another's place."""

from __future__ import annotations

import collections.abc as c
import dataclasses

from .._ams.constants import CONFIG, SecretMode
from .._ams.secret_use import synchronised_certificate
from .._contents.configuration import Secret
from .._text import printable
from .._windows import domain_secret
from .items import Item
from .manual_task_facts import Recovery
from .plan import Task
from .plan_keys import is_needed


def secrets(recovery: Recovery) -> c.Iterator[Task]:
    for secret in recovery.contents.configuration.secrets:
        if not is_needed(secret.path, recovery.contents):
            continue
        if secret.mode == SecretMode.CLEAR:
            text = (
                f"{printable(secret.path)} stands in clear in {secret.file} (mode 0): enter it again in the "
                "configuration tool."
            )
            yield Task(Item.SECRETS_OF_MODE_0, text)
        elif secret.mode == SecretMode.DOMAIN:
            yield from _domain_secret(recovery, secret)
        elif secret.mode != SecretMode.MACHINE:
            text = (
                f"{printable(secret.path)} is protected with a certificate of a cluster (mode {secret.mode}) and was "
                "kept untested."
            )
            yield Task(
                Item.SECRETS_OF_MODE_2,
                f"{text} If the service of {recovery.new} cannot decrypt it, enter it again in the configuration tool.",
                secret=secret.path,
            )


def changed_for_the_domain(recovery: Recovery) -> c.Iterator[Task]:
    """On the server that made the backup, of the secrets of mode 3 in files that the restore changes."""
    written = {record["name"] for record in recovery.plan.files if record["action"] in ("add", "replace")}
    untested = {one["path"] for one in recovery.plan.secrets if one["action"] == "untested"}
    for secret in recovery.contents.configuration.secrets if untested else ():
        changes = secret.path in untested and f"{CONFIG}{secret.file}" in written
        if changes and secret.mode == SecretMode.DOMAIN and is_needed(secret.path, recovery.contents):
            yield from (dataclasses.replace(task, item=None) for task in _domain_secret(recovery, secret))


def _domain_secret(recovery: Recovery, secret: Secret) -> c.Iterator[Task]:
    """Nothing to do where the secret says that the account can decrypt it that the service has here."""
    readers = domain_secret.readers_of(secret.data)
    if recovery.server["service_sid"] in readers:
        return
    decrypts = recovery.server["decrypted_secrets"].get(secret.path)
    account = f"{'can' if decrypts else 'cannot'} be decrypted by the account of this run"
    text = (
        f"{printable(secret.path)} is protected for accounts of the domain (mode 3) and was kept. On {recovery.new} it "
        f"{account}."
    )
    if readers:
        here = printable(str(recovery.server["state"]["service"]["account"] or "LocalSystem"))
        text += f" {domain_secret.words_of(readers)} can decrypt it, and the service runs as '{here}' here."
    if decrypts and not readers:
        yield Task(Item.SECRETS_OF_MODE_3, text)
    else:
        text += " If the service cannot decrypt it either, enter it again in the configuration tool."
        yield Task(Item.SECRETS_OF_MODE_3, text, secret=secret.path)


def synchronised(recovery: Recovery) -> c.Iterator[Task]:
    """The keys that the configuration alone holds, wrapped in secrets that Access Manager made."""
    settings = recovery.contents.configuration.secret_settings
    held = {*recovery.plan.usable_certificates, *(recovery.contents.certificates or {})}
    for secret in recovery.contents.configuration.secrets:
        thumbprint = synchronised_certificate(secret.path, settings)
        if thumbprint and thumbprint not in held:
            readers = domain_secret.readers_of(secret.data)
            by = f" {domain_secret.words_of(readers)} can decrypt it." if readers else ""
            yield Task(
                Item.CERTIFICATE_SYNCHRONISATION,
                f"The key of certificate {printable(thumbprint)} is in the configuration alone, wrapped in a secret "
                f"that nobody can enter ({printable(secret.path)}).{by} Where the service can, Access Manager imports "
                "it when it starts; else import the original PFX of the certificate.",
            )
