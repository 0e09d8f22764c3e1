# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong when passwords in the directory depend on a key that no backup holds."""

from __future__ import annotations

from .._store.manifest import CountedKey

_WHERE = (
    "A backup of each server looks for it in every store where Access Manager does: the service's, that of its "
    "account, and LocalMachine\\My. Back up the server that has it, or find its PFX and give it to the servers."
)


def problem_of_published(thumbprint: str) -> str:
    """What is wrong when no backup holds the key of the certificate that the directory publishes."""
    return (
        f"The directory publishes certificate {thumbprint}, to which agents encrypt: no backup holds its private key. "
        f"{_WHERE}"
    )


def problem_of_counted(key: CountedKey) -> str:
    """What is wrong when no backup holds a key, as results name it."""
    published = ", which is published" if key["published"] else ""
    return (
        f"{key['current']} current and {key['history']} earlier passwords in the directory depend on certificate "
        f"{key['thumbprint']}{published}: no backup holds its private key. {_WHERE}"
    )
