# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory, on a real domain controller: what depends on which key, and the recovery of a lost one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import BackupStore
from cryptography.hazmat.primitives import serialization
from support.backups import KeyPair, age_key
from support.certificates import CURRENT, make_certificate
from support.domain import Domain, available, stored
from unit.actions import run
from unit.made import make as make_backup
from unit.made import seal_to

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


# ---- a new certificate ----


@dataclass(frozen=True)
class Recovery:
    """A backup root with a key, and a domain."""

    domain: Domain
    root: Path
    owner: KeyPair
    key_file: Path

    def publish(self, *, check: bool = False, user: str | None = None, **options: Any) -> dict[str, Any]:
        common = {"backup_root": str(self.root), "recipients": [self.owner.public], "identity_file": str(self.key_file)}
        connection = {"server": self.domain.servers[0]} | self.domain.options(user)
        return run("directory_certificate", check=check, **(connection | common | options))

    def published(self) -> str | None:
        forest = census(self.domain, backup_root=str(self.root))["forests"][0]["published"]
        return str(forest["thumbprint"]) if forest else None

    def backups(self) -> list[str]:
        return [one["id"] for one in run("backup_info", backup_root=str(self.root), host="ad.lab.test")["backups"]]


@pytest.fixture
def recovery(own: Domain, tmp_path: Path) -> Recovery:
    """A forest that publishes a certificate whose key is lost."""
    owner, root = age_key(), tmp_path / "backups"
    root.mkdir(mode=0o700)
    key_file = tmp_path / "key.txt"
    key_file.write_text(owner.private)
    own.publish(LOST.certificate.public_bytes(serialization.Encoding.DER))
    return Recovery(own, root, owner, key_file)


LOST = make_certificate(replace(CURRENT, subject="ad.lab.test"))


def test_a_new_certificate_is_backed_up_proven_and_published_once(recovery: Recovery) -> None:
    planned = recovery.publish(check=True, lost=[LOST.thumbprint])
    assert (planned["changed"], planned["made"], planned["published"]) == (True, True, False)
    assert f"thumbprint: {LOST.thumbprint}" in planned["diff"]["before"]
    assert recovery.backups() == []
    made = recovery.publish(lost=[LOST.thumbprint.lower()])
    assert (made["changed"], made["made"], made["published"], made["proven"]) == (True, True, True, True), made
    assert made["previous"]["thumbprint"] == LOST.thumbprint
    assert made["certificate"]["subject"] == "CN=ad.lab.test,OU=Access Manager,O=Lithnet"
    assert recovery.published() == made["certificate"]["thumbprint"]
    assert recovery.backups() == [made["backup"]["id"]]
    assert census(recovery.domain, backup_root=str(recovery.root))["forests"][0]["published"]["covered"]
    again = recovery.publish(lost=[LOST.thumbprint])
    assert (again["changed"], again["certificate"]) == (False, made["certificate"])
    assert "password" not in str({key: value for key, value in made.items() if key != "invocation"}).lower()


def test_a_run_that_was_interrupted_before_the_publication_goes_on_with_the_same_certificate(recovery: Recovery) -> None:
    reader = recovery.domain.account("reader")
    refused = recovery.publish(user=reader, lost=[LOST.thumbprint])
    assert "lacks the right" in refused["msg"]
    assert recovery.published() == LOST.thumbprint
    (backup_id,) = recovery.backups()
    went_on = recovery.publish(lost=[LOST.thumbprint])
    assert (went_on["made"], went_on["published"], went_on["backup"]["id"]) == (False, True, backup_id)
    assert recovery.backups() == [backup_id]


def test_nothing_is_published_that_does_not_open(recovery: Recovery, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(age_key().private)
    assert "does not open" in recovery.publish(identity_file=str(wrong), lost=[LOST.thumbprint])["msg"]
    assert "only published after its backup was opened" in recovery.publish(identity_file=None, lost=[LOST.thumbprint])["msg"]
    assert recovery.published() == LOST.thumbprint


def test_a_key_that_is_in_a_backup_is_not_lost(recovery: Recovery) -> None:
    store = BackupStore(str(recovery.root), "ams1")
    make_backup(store, "20261123T081500Z", seal_to(recovery.owner.public), certificates=[LOST])
    refused = recovery.publish(lost=[LOST.thumbprint])
    assert "is not lost: the backup 20261123T081500Z of ams1" in refused["msg"]
    assert recovery.publish()["changed"] is False


def test_what_is_published_and_nowhere_backed_up_is_not_replaced_unasked(recovery: Recovery) -> None:
    assert "no backup holds its key" in recovery.publish()["msg"]
    assert "not a thumbprint" in recovery.publish(lost=["lost"])["msg"]
    assert recovery.published() == LOST.thumbprint


def test_a_certificate_of_a_backup_is_published_by_its_thumbprint(recovery: Recovery) -> None:
    other, foreign = make_certificate(replace(CURRENT, subject="ad.lab.test")), make_certificate()
    store = BackupStore(str(recovery.root), "ams1")
    make_backup(store, "20261123T081500Z", seal_to(recovery.owner.public), certificates=[other, foreign])
    assert "not of the forest" in recovery.publish(thumbprint=foreign.thumbprint)["msg"]
    assert "No whole backup" in recovery.publish(thumbprint="0" * 40)["msg"]
    published = recovery.publish(thumbprint=other.thumbprint, lost=[LOST.thumbprint])
    assert (published["published"], published["made"]) == (True, False)
    assert recovery.published() == other.thumbprint


def test_a_plan_for_another_team_is_written_and_does_what_it_says(recovery: Recovery, tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    options = {"lost": [LOST.thumbprint], "publish_only_plan": str(folder)}
    assert "is not a folder" in recovery.publish(**options)["msg"]
    folder.mkdir()
    planned = recovery.publish(**options)
    assert (planned["published"], planned["changed"], planned["made"]) == (False, True, True), planned
    assert sorted(Path(file).name for file in planned["files"]) == sorted(path.name for path in folder.iterdir())
    assert recovery.published() == LOST.thumbprint
    assert recovery.publish(**options)["changed"] is False
    ldapmodify(recovery.domain, folder / "publish-certificate.ldif")
    assert recovery.published() == planned["certificate"]["thumbprint"]
    assert ldapmodify(recovery.domain, folder / "publish-certificate.ldif", may_fail=True) == 16  # noSuchAttribute
    done = recovery.publish(**options)
    assert (done["published"], done["changed"]) == (True, False)


def ldapmodify(domain: Domain, ldif: Path, *, may_fail: bool = False) -> int:
    """What an LDAP tool makes of an LDIF file: its exit code, which is the result code of the server."""
    argv = ["ldapmodify", "-H", f"ldaps://{domain.servers[0]}", "-x", "-D", domain.info["user"], "-w", domain.info["password"]]
    done = subprocess.run(
        [*argv, "-f", str(ldif)],
        env=os.environ | {"LDAPTLS_CACERT": domain.info["ca"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert may_fail or done.returncode == 0, done.stderr
    return done.returncode
