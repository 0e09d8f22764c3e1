# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What age's plugins ask while they work: programs C(age-plugin-NAME) on the controller, named by keys of the user."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .. import _display
from .._text import printable

_ISOLATION_MARKS = re.compile("[\u2066-\u2069]")


@dataclasses.dataclass
class Prompts:
    """The answers for all files of a run.

    A token locks itself after a few wrong PINs: once a plugin that was given one failed, none is given any more.
    """

    secret: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass
class Session:
    """What pyrage calls while it works on one file. Nothing is ever asked of a person."""

    prompts: Prompts
    asked: int = 0

    def display_message(self, message: str) -> None:
        _display.show(f"age plugin: {message}")

    def confirm(self, _message: str, _yes: str, _no: str | None) -> bool | None:
        return None

    def request_public_string(self, _description: str) -> str | None:
        return None

    def request_passphrase(self, _description: str) -> str | None:
        """The secret. A plugin that asks for it again was given a wrong one."""
        self.asked += 1
        if self.asked > 1:
            self.prompts.secret = None
        return self.prompts.secret

    def failed(self) -> None:
        """The file does not decrypt. When a secret was given for it, no other file gets it."""
        if self.asked:
            self.prompts.secret = None


def without_marks(error: t.Any) -> str:
    """What pyrage says, in one line and without the invisible marks around its words."""
    return printable(" ".join(_ISOLATION_MARKS.sub("", str(error)).split()))
