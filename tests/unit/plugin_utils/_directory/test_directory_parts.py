# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the directory's modules needs no directory."""

from __future__ import annotations

import datetime
import io
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory import census
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.census import Census, KeyUse
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.deadline import (
    Deadline,
    DeadlineExceededError,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.ldap import dns_name
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.offline_changes import ldif
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows import thumbprints
from hypothesis import given
from hypothesis import strategies as st
from unit.actions import run

MOMENTS = st.none() | st.datetimes(timezones=st.just(datetime.UTC))
USES = st.builds(KeyUse, st.integers(0, 9), st.integers(0, 9), MOMENTS, MOMENTS)


@given(st.lists(st.dictionaries(st.sampled_from("ABC"), USES), max_size=4))
def test_the_census_of_a_forest_is_the_sum_of_its_domains(domains: list[dict[str, KeyUse]]) -> None:
    whole = Census()
    for keys in domains:
        whole.add(Census(computers=2, keys=keys, hidden=1))
    assert (whole.computers, whole.hidden) == (2 * len(domains), len(domains))
    for thumbprint in {thumbprint for keys in domains for thumbprint in keys}:
        uses = [keys[thumbprint] for keys in domains if thumbprint in keys]
        assert whole.keys[thumbprint].current == sum(use.current for use in uses)
        times = [moment for use in uses for moment in (use.oldest, use.newest) if moment]
        assert (whole.keys[thumbprint].oldest, whole.keys[thumbprint].newest) == (
            min(times, default=None),
            max(times, default=None),
        )
    shown = census.result_of(whole)["keys"]
    assert [key["current"] for key in shown] == sorted((key["current"] for key in shown), reverse=True)


@pytest.mark.parametrize(
    "text", ["ab" * 20, "AB" * 20, " ".join(["ab"] * 20), ":".join(["AB"] * 20), f"\u200e{'ab ' * 20}"]
)
def test_thumbprints_are_taken_as_people_have_them(text: str) -> None:
    assert thumbprints.parse([text, text]) == ["AB" * 20]


@pytest.mark.parametrize("text", ["", "ab" * 19, "ab" * 21, "xy" * 20, None, "ab\n" * 20])
def test_what_is_no_thumbprint_is_refused(text: object) -> None:
    with pytest.raises(AccessManagerError, match="40 hexadecimal digits"):
        thumbprints.parse([text])


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.lists(st.binary(), min_size=1, max_size=3))
def test_ldif_means_what_it_says_whatever_is_in_it(name: str, values: list[bytes]) -> None:
    parser = pytest.importorskip("ldif", reason="python-ldap is not installed")
    dn = f"CN={pytest.importorskip('ldap.dn').escape_dn_chars(name)}"
    reader = parser.LDIFRecordList(io.BytesIO(ldif([(dn, [("delete", "a", values), ("add", "b", [b"0"])])])))
    reader.parse_change_records()
    assert len(reader.all_modify_changes) == 1
    found_dn, changes, _controls = reader.all_modify_changes[0]
    assert found_dn == dn
    assert [(attribute, found) for _operation, attribute, found in changes] == [("a", values), ("b", [b"0"])]


def test_the_name_of_a_domain() -> None:
    assert dns_name("DC=ad,DC=lab,DC=test") == "ad.lab.test"
    assert dns_name("OU=x,DC=ad,dc=lab") == "ad.lab"


@pytest.mark.slow
def test_without_python_ldap_the_sentence_says_how_to_install_it() -> None:
    program = (
        "import sys; sys.modules['ldap'] = None\n"
        f"sys.path[:0] = {[str(Path(__file__).parents[3]), str(Path(__file__).parents[4] / '.build')]!r}\n"
        "from ansible.plugins.loader import init_plugin_loader; init_plugin_loader([sys.path[1]])\n"
        "from unit.actions import run\n"
        "print(run('directory_info', servers=['dc1'], bind_user='u', bind_password='not-needed')['msg'])\n"
    )
    reported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "'python-ldap' is missing" in reported
    assert "apt-get install python3-ldap" in reported
    assert "dnf install python3-ldap" in reported


def test_options_that_make_no_sense_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    pytest.importorskip("ldap", reason="python-ldap is not installed")
    two = {"servers": ["dc1", "dc2"], "search_base": "DC=x"}
    assert "several servers" in run("directory_info", **two)["msg"]
    expiry = {"servers": ["dc1"], "lost_certificates": ["ab" * 20]}
    for more, reason in (
        (two, "several servers"),
        ({"lost_certificates": []}, "is empty"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"limit": -1}, "limit is -1"),
        ({"remove_lost_history": True}, "needs backup_root"),
        ({"publish_only_plan": str(tmp_path / "none")}, "is not a folder"),
    ):
        assert reason in run("directory_password_expiry", **(expiry | more))["msg"]


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["ldaps", "starttls"])
def test_a_server_that_accepts_and_stays_silent_is_waited_for_no_longer_than_the_timeout(transport: str) -> None:
    pytest.importorskip("ldap", reason="python-ldap is not installed")
    begun = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reported = ask("127.0.0.1", port=silent.getsockname()[1], timeout=1, transport=transport)
    assert f"127.0.0.1 does not answer over {transport} on port" in reported
    assert "within 1 seconds" in reported
    assert time.monotonic() - begun < 30  # a busy machine adds to the second; the system alone waits for minutes


@pytest.mark.parametrize("transport", ["ldaps", "starttls"])
def test_a_server_that_hangs_up_is_not_said_to_have_a_wrong_certificate(transport: str) -> None:
    pytest.importorskip("ldap", reason="python-ldap is not installed")
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:
        stopped = threads.submit(hang_up, server)
        reported = ask("127.0.0.1", port=server.getsockname()[1], timeout=5, transport=transport)
        server.shutdown(socket.SHUT_RDWR)
        stopped.result(5)
    assert "does not answer over" in reported
    assert "certificate" not in reported


def hang_up(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            server.accept()[0].close()


def test_a_call_that_is_overdue_is_abandoned_and_no_other_is_made() -> None:
    deadline = Deadline(0.05)
    assert deadline.call(int, "7", base=8) == 7
    with pytest.raises(ValueError, match="invalid literal"):
        deadline.call(int, "x")
    with pytest.raises(DeadlineExceededError):
        deadline.call(threading.Event().wait)
    with pytest.raises(DeadlineExceededError):
        deadline.call(int, "7")


@pytest.mark.parametrize("server", ["", "ldaps://dc1", "dc1:636", "dc1/", "[]", "dc 1", "-dc1", "dc1..x"])
def test_what_is_no_name_of_a_server_is_refused(server: str) -> None:
    pytest.importorskip("ldap", reason="python-ldap is not installed")
    assert f"'{server}' is not the name of a server" in ask(server)


def test_files_without_certificates_and_times_of_nothing_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("ldap", reason="python-ldap is not installed")
    (tmp_path / "text.pem").write_text("hello")
    assert "cannot be read" in ask("dc1", ca_file=str(tmp_path))
    assert "holds no certificate" in ask("dc1", ca_file=str(tmp_path / "text.pem"))
    assert "timeout is 0" in ask("dc1", timeout=0)


def ask(server: str, **options: Any) -> str:
    result = run("directory_info", servers=[server], bind_user="u", bind_password="not-needed", **options)
    assert result["failed"]
    return str(result["msg"])
