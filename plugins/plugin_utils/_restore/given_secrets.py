# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup with new values of its secrets, which an administrator gives for a restore.

Whatever protected one before, the server that is restored protects its new value for itself (mode 1).
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import itertools

from .._ams.constants import CONFIG, SecretMode
from .._ams.json_document import find, with_changes
from .._ams.secret_use import synchronised_certificate
from .._contents.configuration import Configuration, Secret
from .._contents.contents import Contents
from .._errors import AccessManagerError
from .._text import printable

_TO_PROTECT = b'{"Data": "AAAA", "Salt": "AAAA", "Mode": 1}'
"""A secret of mode 1 that nothing decrypts: the server puts its own data and salt in place of these."""


def with_given(contents: Contents, given: c.Mapping[str, str | None]) -> Contents:
    """The backup with these values, by the paths of the secrets. Raises AccessManagerError for what is no secret of
    it.
    """
    if not given:
        return contents
    configuration = contents.configuration
    values = dict(_checked(configuration, given))
    secrets = [secret for secret in configuration.secrets if secret.path in values]
    converted = [secret for secret in secrets if secret.mode != SecretMode.MACHINE or secret.salt_place is None]
    return dataclasses.replace(
        contents,
        held=configuration.with_contents(_converted(configuration, converted)),
        secrets=contents.secrets | values,
        given=frozenset(values),
    )


def _checked(configuration: Configuration, given: c.Mapping[str, str | None]) -> c.Iterator[tuple[str, str]]:
    """The values by the paths as the backup writes them."""
    settings = configuration.secret_settings
    paths = {
        secret.path.lower(): secret.path
        for secret in configuration.secrets
        if synchronised_certificate(secret.path, settings) is None
    }
    for name, value in given.items():
        if name.lower() not in paths:
            known = " and ".join(sorted(paths.values())) or "none"
            raise AccessManagerError(
                f"secrets names '{printable(name)}', which is no secret of this backup that a person can give. Those "
                f"that it has: {known}."
            )
        if not value:
            raise AccessManagerError(f"secrets has no value for {printable(name)}: give one, or leave it out.")
        yield paths[name.lower()], value


def _converted(configuration: Configuration, secrets: list[Secret]) -> dict[str, bytes]:
    """The JSON files in which these secrets are of mode 1."""
    by_file = itertools.groupby(sorted(secrets, key=lambda one: one.file), key=lambda one: one.file)
    return {f"{CONFIG}{file}": _with_mode_1(configuration, file, list(group)) for file, group in by_file}


def _with_mode_1(configuration: Configuration, file: str, secrets: list[Secret]) -> bytes:
    document = configuration.documents[file]
    found = itertools.chain.from_iterable(find(document, secret.path) for secret in secrets)
    changes = {(value.start, value.end): _TO_PROTECT for _place, value in found}
    return with_changes(configuration.read(f"{CONFIG}{file}"), changes)
