# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the manual tasks of a recovery are made from: the backup, the new server, and what their texts say."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import re
import typing as t

from .._ams.shapes import Binding
from .._contents.contents import Contents
from .._contents.web_address import WebAddress, authentication_of, texts, web_address_of
from .plan import Plan
from .target_server import TargetServer

_COMPUTER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}\\[A-Za-z0-9_][A-Za-z0-9._-]{0,62}\$?")

UNNAMED = "WEB-SITE-NAME"


@dataclasses.dataclass(frozen=True)
class Recovery:
    """What the tasks are found from. C(contents): the backup as the old server made it. C(plan): of the new one.

    C(again): the command that runs this recovery again with other variables.
    """

    contents: Contents
    server: TargetServer
    plan: Plan
    bindings: c.Mapping[str, Binding | None]
    again: c.Callable[..., str]

    @property
    def old(self) -> str:
        return matching(self.contents.configuration.described["state"]["computer_name"], _COMPUTER, "OLD-SERVER")

    @property
    def new(self) -> str:
        return matching(self.server["computer_name"], _COMPUTER, "NEW-SERVER")

    @property
    def web_name(self) -> str:
        """The name of the web site; a word to replace when nothing names it."""
        return self.web_address.name or UNNAMED

    @property
    def web_address(self) -> WebAddress:
        return web_address_of(self.contents.configuration)

    @property
    def is_renamed(self) -> bool:
        return self.old.lower() != self.new.lower()

    @property
    def authentication(self) -> str:
        """How users sign in, one of MODES."""
        return authentication_of(self.contents.configuration)

    @property
    def account(self) -> str:
        """The account of the service on the old server."""
        return str(self.contents.configuration.described["state"]["service"]["account"] or "")

    def texts(self, path: str) -> list[str]:
        """The strings and numbers at a path of the JSON files that are not empty; those of a later file come later."""
        return texts(self.contents.configuration, path)


def matching(text: t.Any, pattern: re.Pattern[str], otherwise: str) -> str:
    return text if isinstance(text, str) and pattern.fullmatch(text) else otherwise
