# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server describes itself beside a backup: which secrets it can decrypt, and what it has in their places."""

from __future__ import annotations

import base64
import collections.abc as c
import hmac
import time
import typing as t

from .._ams.constants import CONFIG, EXTERNAL, SecretMode, knowledge
from .._contents.configuration import Configuration, Secret
from .._contents.names import path_of
from .._errors import AccessManagerError
from .answers import RESTORE_TARGET
from .call import Run, Target, new_run_id
from .detached_run import COLLECT_SECONDS

_MODULE = "config_restore"


def describe(
    target: Target,
    configuration: Configuration | None,
    nonce: bytes,
    *,
    include_database: bool,
    domain_secrets: bool,
    thumbprints: c.Iterable[str],
    staging_root: str,
    lock_timeout: int,
) -> dict[str, t.Any]:
    """How a server describes itself, when no other run is at work there: it would change what is described.

    C(domain_secrets): whether it tries secrets of its domain too. C(thumbprints): of the certificates of the backup.
    """
    question = _question(configuration, nonce, domain_secrets=domain_secrets) | {
        "knowledge": knowledge(thumbprints),
        "run_id": new_run_id(),
        "staging_root": staging_root,
        "include_database": include_database,
    }
    deadline = time.monotonic() + lock_timeout
    while True:
        wait = max(0, min(COLLECT_SECONDS, int(deadline - time.monotonic())))
        answer = target.call(question | {"wait_seconds": wait}, RESTORE_TARGET, module=_MODULE)
        if not answer["busy"]:
            return {**answer}
        if time.monotonic() >= deadline:
            raise AccessManagerError(
                f"Another run is at work on {target.label}: {answer['busy']}. Gave up after {lock_timeout} s. "
                "Try again when it has ended, or raise lock_timeout."
            )


def is_mark_of(mark: str, value: str, nonce: bytes) -> bool:
    """Whether a server's mark of a secret, an HMAC under the nonce, is that of this value."""
    expected = base64.b64encode(hmac.digest(nonce, value.encode("utf-8", "surrogatepass"), "sha256"))
    return hmac.compare_digest(mark.encode("utf-8", "surrogatepass"), expected)


def _question(configuration: Configuration | None, nonce: bytes, *, domain_secrets: bool) -> Run:
    question: Run = {"step": "describe", "nonce": base64.b64encode(nonce).decode()}
    question |= {"probes": [], "domain_secrets": [], "external": []}
    if configuration is None:
        return question
    for secret in configuration.secrets:
        if secret.mode == SecretMode.MACHINE:
            question["probes"].append(_probe(configuration, secret))
        elif secret.mode == SecretMode.DOMAIN and domain_secrets:
            question["domain_secrets"].append({"path": secret.path, "data": secret.data})
    external = [name for name in configuration.files if name.startswith(EXTERNAL)]
    question["external"] += [{"name": name, "path": path_of(name, "")} for name in external]
    return question


def _probe(configuration: Configuration, secret: Secret) -> dict[str, str]:
    """A secret, and how its data and salt are written: a file may have \\u002B for a plus sign."""
    raw = configuration.read(f"{CONFIG}{secret.file}")
    written = [raw[start:end].decode("latin-1") for start, end in (secret.data_place, secret.salt_place or (0, 0))]
    return {
        "file": secret.file,
        "path": secret.path,
        "data": secret.data,
        "salt": secret.salt,
        "data_written": written[0],
        "salt_written": written[1],
    }
