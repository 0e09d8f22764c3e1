# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has artifact_fetch's target half send a configuration: for a backup, or to look at it in memory."""

from __future__ import annotations

import os

from .._ams.constants import knowledge
from .._contents.configuration import Configuration
from .._contents.snapshot_stream import SnapshotStream
from .._contents.zip_writer import zip_chunks
from .._errors import AccessManagerError
from . import transfer
from .answers import SENT_OR_NOT, Sent, Unsteady
from .call import Run, Target, new_run
from .envelope import CallKey, Envelope

MODULE = "artifact_fetch"
INLINE_LIMIT = 8 * 1024 * 1024
"""Up to this size a configuration comes with the answer; a larger one is streamed from a file, by one more process."""

LARGEST_IN_MEMORY = 512 * 1024**2
"""Bytes of a live configuration, encrypted or not, that are looked at: it has no database."""


def ask(target: Target, run: Run, key: CallKey, *, lock_timeout: int) -> Unsteady | Sent:
    """The answer of the target. C(run) has the names of a run, and live.

    Raises ConnectionLostError when no answer came. A live run may go on then: the caller makes a new one, with another
    id.
    """
    question = {
        "step": "take",
        "knowledge": knowledge(),
        "public_key": key.public,
        "inline_limit": INLINE_LIMIT,
        "lock_timeout": lock_timeout,
    }
    return target.call(run | question, SENT_OR_NOT, module=MODULE, repeatable=False)


def read_live(target: Target, *, staging_root: str, lock_timeout: int) -> Configuration:
    """The live configuration, as a backup would hold it, in memory alone. Raises AccessManagerError when it keeps
    changing."""

    def live_run() -> Run:
        return new_run(staging_root) | {"live": True}

    return target.retry_with_new_run(live_run, lambda run: _read_live(target, run, lock_timeout))


def _read_live(target: Target, run: Run, lock_timeout: int) -> Configuration:
    key = CallKey()
    answer = ask(target, run, key, lock_timeout=lock_timeout)
    if answer["steady"] is False:
        raise AccessManagerError(
            f"The configuration of {target.label} changed each of {answer['attempts']} times while it was read: "
            "run again when nobody saves."
        )
    envelope, header = Envelope(MODULE, key), answer["envelope"]
    where, is_intact = (target.connection, target.label), envelope.check(header)
    with os.fdopen(os.memfd_create(MODULE), "w+b") as incoming:
        transfer.receive(*where, answer, incoming, is_intact, most=LARGEST_IN_MEMORY)
        clear = envelope.decrypted_stream(header, incoming)
        snapshot = SnapshotStream(clear, LARGEST_IN_MEMORY)
        configuration = Configuration(b"".join(zip_chunks(snapshot.entries())), tolerant=True)
    if answer["path"]:
        target.remove_sent(run)
    return configuration
