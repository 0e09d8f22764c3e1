# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which errors mean a lost connection, as Ansible's connections and their libraries raise them."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import ParseError

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.loader import connection_loader
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.connection_errors import (
    is_connection_error,
)
from pypsrp.wsman import WSMan


def raised_by(act: Callable[[], object]) -> Exception:
    try:
        act()
    except Exception as exc:
        return exc
    raise AssertionError("nothing was raised")


def test_error_of_no_class_of_its_own_that_a_library_of_the_line_raises() -> None:
    exc = raised_by(lambda: WSMan._parse_wsman_fault("<half an answ"))
    assert isinstance(exc, ParseError)
    assert is_connection_error(exc)


def test_error_of_ansible_that_the_connection_raises() -> None:
    connection = connection_loader.get("winrm", class_only=True)
    exc = raised_by(lambda: connection._winrm_exec(object(), "command"))
    assert is_connection_error(exc)


@pytest.mark.parametrize("exc", [AnsibleConnectionFailure("gone"), ConnectionResetError(), TimeoutError()])
def test_errors_that_say_it_by_their_class(exc: Exception) -> None:
    assert is_connection_error(exc)


@pytest.mark.parametrize("text", ["", "x"])
def test_the_same_errors_from_elsewhere_are_none(text: str) -> None:
    def fail() -> None:
        raise AnsibleError("no such module")

    assert not is_connection_error(raised_by(lambda: int(text)))
    assert not is_connection_error(raised_by(fail))
