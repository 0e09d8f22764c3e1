# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has artifact_fetch's target half send a configuration: for a backup, or to look at it in memory."""

from __future__ import annotations

import os
import typing as t

from .._action import AccessManagerAction, Run
from .._contents.configuration import Configuration
from .._contents.snapshot_stream import Bundle
from .._contents.zip_writer import zip_chunks
from .._errors import AccessManagerError
from . import transfer
from .envelope import Envelope

MODULE = "artifact_fetch"
_INLINE_LIMIT = 8 * 1024 * 1024
"""Up to this size a configuration comes with the answer; a larger one is streamed from a file, by one more process."""

LARGEST_IN_MEMORY = 512 * 1024**2
"""Bytes of a live configuration, encrypted or not, that are looked at: it has no database."""


def ask(action: AccessManagerAction, run: Run, envelope: Envelope) -> dict[str, t.Any]:
    """The answer of the target: C(steady), and if so C(envelope) and C(path). C(run) has run_id, staging_root and live.

    Raises LostLineError when no answer came. A live run may go on then: whoever asked makes a new one, with another id.
    """
    question = {
        "step": "take",
        "knowledge": action.knowledge(),
        "public_key": envelope.public_key,
        "inline_limit": _INLINE_LIMIT,
        "controller": action.controller_name(),
        "lock_timeout": action.params["lock_timeout"],
    }
    return action.call_target(run | question, module=MODULE, repeatable=False)


def read_live(action: AccessManagerAction) -> Configuration:
    """The live configuration, as a backup would hold it, in memory alone. Raises AccessManagerError when it keeps changing."""

    def new_run() -> Run:
        return {"run_id": action.new_run_id(), "staging_root": action.params["staging_root"], "live": True}

    return action.until_run_answered(new_run, lambda run: _read_live(action, run), module=MODULE)


def _read_live(action: AccessManagerAction, run: Run) -> Configuration:
    envelope = Envelope(MODULE)
    answer = ask(action, run, envelope)
    if not answer["steady"]:
        raise AccessManagerError(
            f"The configuration of {action.host_label} changed each of {answer['attempts']} times while it was read: "
            "run again when nobody saves."
        )
    with os.fdopen(os.memfd_create(MODULE), "w+b") as incoming:
        transfer.receive(action._connection, action.host_label, answer, incoming, most=LARGEST_IN_MEMORY)
        bundle = Bundle(envelope.open_stream(answer["envelope"], incoming), LARGEST_IN_MEMORY)
        configuration = Configuration(b"".join(zip_chunks(bundle.entries())), tolerant=True)
    if answer["path"]:
        action.remove_sent(run, module=MODULE)
    return configuration
