# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory, on a real domain controller: what depends on which key, and the recovery of a lost one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.domain import Domain, available, stored
from unit.actions import run

FIRST, SECOND, THIRD = "A1" * 20, "B2" * 20, "C3" * 20
COMPUTERS, HISTORY = 2000, 3


@pytest.fixture(scope="session", autouse=True)
def lab() -> None:
    """These tests need no Windows host."""
    missing = available()
    if missing:
        pytest.skip(f"no domain controller: {missing}")


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    """2,000 computers under three certificates. Tests only read it."""
    domain = Domain.start(tmp_path_factory.mktemp("domain") / "dc")
    domain.seed(COMPUTERS, [FIRST, SECOND, THIRD], history=HISTORY)
    yield domain
    domain.remove()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Domain]:
    """A domain that a test changes, with an empty OU=Workstations."""
    domain = Domain.start(tmp_path / "dc")
    domain.seed(0, [FIRST])
    yield domain
    domain.remove()


def census(domain: Domain, user: str | None = None, **options: Any) -> dict[str, Any]:
    connection = domain.options(user)
    return run("directory_info", **({"servers": domain.servers} | connection | options))


def counts(result: dict[str, Any]) -> dict[str, tuple[int, int]]:
    assert "keys" in result, result
    return {key["thumbprint"]: (key["current"], key["history"]) for key in result["keys"]}


# ---- the census ----


def test_a_census_of_2000_computers_counts_every_password(domain: Domain) -> None:
    result = census(domain)
    assert result["changed"] is False
    assert result["computers"] == COMPUTERS
    found = counts(result)
    assert found.keys() == {FIRST, SECOND, THIRD}
    assert {thumbprint: current for thumbprint, (current, _history) in found.items()} == {FIRST: 667, SECOND: 667, THIRD: 666}
    assert sum(history for _current, history in found.values()) == COMPUTERS * HISTORY
    assert all(key["oldest"] < key["newest"] for key in result["keys"])
    assert result["unparsable"] == {"current": 0, "history": 0, "examples": []}
    assert result["unreadable"]["computers"] == 0
    assert result["domains"][0]["domain"] == "ad.lab.test"
    assert result["forests"] == [{"forest": "ad.lab.test", "server": domain.servers[0], "published": None}]


def test_a_filter_and_a_base_narrow_it(domain: Domain) -> None:
    assert census(domain, filter="(cn=PC0000*)")["computers"] == 10
    assert census(domain, search_base=f"CN=PC00007,{domain.workstations}")["computers"] == 1
    assert "filter" in census(domain, filter="cn=(")["msg"]
    assert "knows no such entry" in census(domain, search_base=f"OU=Nowhere,{domain.base}")["msg"]


def test_starttls_answers_the_same(domain: Domain) -> None:
    assert counts(census(domain, transport="starttls")) == counts(census(domain))


def test_kerberos_answers_the_same(domain: Domain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KRB5_CONFIG", domain.info["krb5_conf"])
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "tickets"))
    kerberos = {"servers": domain.servers, "transport": "kerberos"}
    assert "no Kerberos ticket" in run("directory_info", **kerberos)["msg"]
    principal = f"administrator@{domain.info['realm']}"
    subprocess.run(["kinit", principal], input=domain.info["password"], text=True, check=True, capture_output=True)
    assert counts(run("directory_info", **kerberos)) == counts(census(domain))
    assert "give no bind_user" in census(domain, transport="kerberos")["msg"]


def test_history_of_more_than_1500_values_is_counted_whole(own: Domain) -> None:
    own.add_computer("MANY", stored(FIRST), [stored(SECOND, created=1_600_000_000 + n) for n in range(1700)])
    assert counts(census(own)) == {FIRST: (1, 0), SECOND: (0, 1700)}


def test_what_does_not_parse_is_counted_apart(own: Domain) -> None:
    own.add_computer("PLAIN", "Passw0rd", ["{}"])
    own.add_computer("FINE", stored(FIRST))
    result = census(own)
    assert counts(result) == {FIRST: (1, 0)}
    assert (result["unparsable"]["current"], result["unparsable"]["history"]) == (1, 1)
    assert "CN=PLAIN" in result["unparsable"]["examples"][0]


# ---- who may read ----


def test_an_account_that_may_not_read_passwords_is_told_so(domain: Domain) -> None:
    reader = domain.account("reader")
    result = census(domain, reader)
    assert result["failed"]
    assert f"may not read the passwords of {COMPUTERS} computer(s)" in result["msg"]
    tolerant = census(domain, reader, fail_on_unreadable=False)
    assert tolerant["keys"] == []
    assert tolerant["unreadable"]["computers"] == COMPUTERS


# ---- the connection ----


def test_nothing_is_sent_to_a_server_whose_certificate_is_not_verified(domain: Domain, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(Path("/etc/ssl/certs/ca-certificates.crt").read_bytes())
    for more in ({"ca_file": str(other)}, {"ca_file": None}, {"ca_file": str(other), "transport": "starttls"}):
        assert "is not accepted" in census(domain, **more)["msg"]
    assert "cannot be read" in census(domain, ca_file=str(tmp_path / "none.pem"))["msg"]


def test_a_refused_logon_is_said_without_the_password(domain: Domain) -> None:
    result = census(domain, bind_password="not-the-password")
    assert "refuses the logon of 'administrator@ad.lab.test'" in result["msg"]
    assert "not-the-password" not in str(result)
    assert "bind_user and bind_password are needed" in census(domain, bind_user=None)["msg"]


def test_an_expired_account_is_refused(domain: Domain) -> None:
    user = domain.account("expired")
    domain.tool("user", "setexpiry", "expired", "--days=0")
    result = census(domain, user)
    assert "refuses the logon" in result["msg"]


def test_a_server_that_is_not_there_is_said(domain: Domain) -> None:
    assert "does not answer" in census(domain, port=1)["msg"]
