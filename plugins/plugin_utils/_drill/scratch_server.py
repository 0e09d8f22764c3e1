# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scratch server of a drill: a look at it, its mark, its keys, and the removal of all that a drill put there."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import json
import typing as t

from .. import _display
from .._ams.constants import knowledge
from .._errors import AccessManagerError
from .._restore.outgoing_channels import Endpoint
from .._target.answers import MarkedDrill
from .._target.call import Run, Target, new_run
from .._target.detached_run import DetachedRun
from .answers import Claimed, Decrypted, Look, Mark, Removed

_WAITS_OF_A_RUN = 10


@dataclasses.dataclass(frozen=True)
class Scratch:
    """C(params): staging_root, lock_timeout and service_timeout, as the restore has them."""

    target: Target
    params: c.Mapping[str, t.Any]

    def look(self) -> Look:
        """What decides whether a drill may begin there."""
        return self.target.call(self._arguments() | {"step": "look"}, Look)

    def claim(self, mark: Mark | None, endpoints: c.Iterable[Endpoint]) -> list[str]:
        """Which of these it reaches, as HOST:PORT. When none, marks what will be there as put there by a drill; with
        no mark, nothing is changed.
        """
        asked = [{"host": one.host, "port": one.port} for one in endpoints]
        step = {"step": "claim", "drill": json.dumps(mark)} if mark else {"step": "reach"}
        run = self._arguments() | step | {"endpoints": asked}
        return self.target.call(run, Claimed)["reached"]

    def decrypt(self) -> Decrypted:
        """Has the server decrypt with every key that the service has."""
        return self.target.call(self._arguments() | {"step": "decrypt"}, Decrypted)

    def clean(self, drill: MarkedDrill, *, old: bool = False) -> Removed:
        """Removes what this drill put there, in a run that no lost connection ends. C(old): also a day after it began.

        Raises AccessManagerError when the server has the mark of another drill or none, when it may be in service since
        then, and when a search finds something left.
        """
        run = self._arguments() | {"drill": json.dumps(drill), "clean_old": old}
        timeout = self.params["lock_timeout"] + _WAITS_OF_A_RUN * self.params["service_timeout"]
        with self.target.cleanup_on_failure(run):
            removed = DetachedRun(self.target, run, Removed, timeout=timeout).result()
        self.target.remove_run(run)
        if not removed["searched"]:
            raise AccessManagerError(
                f"{self.target.label} has no mark of a drill any more: nothing was removed and nothing was searched. "
                "Look at what is on it, or delete the server's disk: it may hold keys."
            )
        if removed["left"]:
            raise AccessManagerError(
                f"The drill is not removed from {self.target.label}: {'; '.join(removed['left'])}. Remove it by hand, "
                "or delete the server's disk: it holds keys."
            )
        if removed["other_keys"]:
            _display.warn(
                f"These keys came to {self.target.label} while the drill was on it, and are not of its certificates: "
                f"{'; '.join(removed['other_keys'])}. They stay: Windows or another program made them."
            )
        return removed

    def _arguments(self) -> Run:
        return new_run(self.params["staging_root"]) | {
            "lock_timeout": self.params["lock_timeout"],
            "service_timeout": self.params["service_timeout"],
            "knowledge": knowledge(),
        }
