# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A detached run that stops the service, copies the configuration, and starts the service again."""

from __future__ import annotations

import typing as t

from .._errors import AccessManagerError, EndedRunError
from .answers import Change
from .call import Run, Target
from .detached_run import DetachedRun

_COPY_SECONDS = 900
_WAITS_OF_A_RUN = 10
"""How often a run waits for the service at the most: to stop, for its process, for the database, and three times to
start.
"""

T = t.TypeVar("T")


def refuse_live_database(policy: str, *, include_database: bool) -> None:
    """Raises AccessManagerError when the database is to be copied and the service may not be stopped."""
    if policy == "never" and include_database:
        raise AccessManagerError(
            "The database can be copied only while the service is stopped: allow a stop with stop_service, "
            "or leave the database out (Access Manager recreates it)."
        )


def keeps_changing(label: str, attempts: int, advice: str) -> AccessManagerError:
    """Why nothing was copied of a server that runs, and what to do; C(advice) goes on after "or"."""
    return AccessManagerError(
        f"The configuration of {label} changed during each of {attempts} copies, so none of them is known to be "
        f"consistent. Run again when nobody saves, or {advice}"
    )


class RunWithStop(DetachedRun[T]):
    """C(arguments) has service_timeout and lock_timeout. What the run leaves on the target is removed by the caller."""

    def __init__(self, target: Target, arguments: Run, shape: type[T]) -> None:
        timeout = arguments["lock_timeout"] + _WAITS_OF_A_RUN * arguments["service_timeout"] + _COPY_SECONDS
        super().__init__(target, arguments, shape, timeout=timeout)

    def result(self) -> T:
        """As of any run. When it died, what it had stopped is started, and the error says so."""
        try:
            return super().result()
        except EndedRunError as exc:
            raise self._revived(exc) from None

    def _revived(self, ended: EndedRunError) -> AccessManagerError:
        """Starts the service when the run that died had stopped it; returns what to say."""
        try:
            revived = self._target.call(self._arguments | {"step": "revive"}, Change)["changed"]
        except AccessManagerError as exc:
            return EndedRunError(
                f"{ended} It may have left the service stopped, which could not be started again: {exc}"
            )
        done = (
            "It had stopped the service, which has been started again."
            if revived
            else "The service was not down by it."
        )
        return AccessManagerError(f"{ended} {done}")
