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
    explained,
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


class Line:
    """A connection of Ansible to 10.0.0.1."""

    def __init__(self, transport: str = "winrm") -> None:
        self.transport = transport

    def get_option(self, name: str) -> str:
        return {"remote_addr": "10.0.0.1", "remote_user": "EXAMPLE\\ansible"}[name]


URLLIB3 = "HTTPConnectionPool(host='10.0.0.1', port=5985): Max retries exceeded with url: /wsman (Caused by "
OBJECT = "<urllib3.connection.HTTPConnection object at 0x7f1122334455>"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"{URLLIB3}NewConnectionError('{OBJECT}: Failed to establish a new connection: [Errno 111] Connection "
         "refused'))", "Connection refused"),
        (f"{URLLIB3}NewConnectionError(\"HTTPConnection(host='10.0.0.1', port=5985): Failed to establish a new "
         "connection: [Errno 113] No route to host\"))", "No route to host"),
        (f"{URLLIB3}ConnectTimeoutError({OBJECT}, 'Connection to 10.0.0.1 timed out. (connect timeout=30)'))",
         "Connection to 10.0.0.1 timed out. (connect timeout=30"),
        ("winrm connection error: the service is busy", "winrm connection error: the service is busy"),
    ],
)  # fmt: skip
def test_the_cause_alone_is_said_of_what_a_library_wraps_around_it(text: str, cause: str) -> None:
    said = str(explained(AnsibleConnectionFailure(text), "ams1", Line()))
    assert said.startswith(f"There is no connection to ams1, or it was lost: {cause}. If this stays so, check")
    assert "WinRM listener" in said
    assert "WinRM" not in str(explained(AnsibleConnectionFailure(text), "ams1", Line("ssh")))


@pytest.mark.parametrize("text", ["Bad HTTP response returned from server. Code 407", "the server answers 401"])
def test_a_proxy_that_may_have_answered_is_named_without_its_password(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://someone:secret@proxy.example.com:3128")
    said = str(explained(AnsibleConnectionFailure(text), "ams1", Line()))
    assert "HTTP_PROXY is set, so a proxy may have answered: name 10.0.0.1 in NO_PROXY" in said
    assert "ansible_psrp_ignore_proxy" in said
    assert "ansible_winrm_proxy" in said
    assert "secret" not in said
    monkeypatch.setenv("NO_PROXY", "10.0.0.1")
    assert "PROXY" not in str(explained(AnsibleConnectionFailure(text), "ams1", Line()))
