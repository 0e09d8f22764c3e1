# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory, on a real domain controller: what depends on which key, and the recovery of a lost one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory import computers
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.ldap import connect
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.password_expiry import (
    ExpiryStatistics,
    carry_out,
    change_of,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import DirectoryLostError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from cryptography.hazmat.primitives import serialization
from support.backups import age_key
from support.certificates import CURRENT, TLS, TestCertificate, make_certificate
from support.certificates import EXPIRED as EXPIRED_CERTIFICATE
from support.domain import READ_RIGHTS, WRITE_RIGHTS, Domain, available, stored
from support.playbook import run_playbook
from support.recovery import EXPIRED, Recovery, census, counts, expiries, ldapmodify, wait_until
from unit.actions import run
from unit.backups import fill
from unit.encrypted_backups import encrypt_to
from unit.encrypted_backups import make as make_backup
from unit.signers import ssh_key

FIRST, SECOND, THIRD = "A1" * 20, "B2" * 20, "C3" * 20
COMPUTERS, HISTORY = 2000, 3
LOST, RENEWED = (make_certificate(replace(CURRENT, subject="ad.lab.test")) for _number in range(2))


def der(one: TestCertificate) -> bytes:
    return one.certificate.public_bytes(serialization.Encoding.DER)


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


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    """A domain for the tests that change it, one after the other."""
    domain = Domain.start(tmp_path_factory.mktemp("other") / "dc")
    domain.seed(0, [FIRST])
    yield domain
    domain.remove()


@pytest.fixture
def own(other: Domain) -> Domain:
    """A domain that a test changes, with an empty OU=Workstations."""
    other.clean()
    return other


@pytest.fixture(scope="module")
def renewed_root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A backup root with the key of the certificate in place of the lost one."""
    root = tmp_path_factory.mktemp("backups")
    make_backup(BackupStore(str(root), "ams1"), "20261123T081500Z", encrypt_to(), certificates=[RENEWED])
    return str(root)


@pytest.fixture
def renewed(own: Domain) -> Domain:
    """A domain that a test changes, in which another certificate than the lost one is published."""
    own.publish(der(RENEWED))
    return own


# ---- the census ----


def test_a_census_of_2000_computers_counts_every_password(domain: Domain) -> None:
    result = census(domain)
    assert result["changed"] is False
    assert result["computers"] == COMPUTERS
    found = counts(result)
    assert found.keys() == {FIRST, SECOND, THIRD}
    assert {thumbprint: current for thumbprint, (current, _history) in found.items()} == {
        FIRST: 667,
        SECOND: 667,
        THIRD: 666,
    }
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
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "none"))
    kerberos = {"servers": domain.servers, "transport": "kerberos"}
    assert "no Kerberos ticket" in run("directory_info", **kerberos)["msg"]
    for name, value in domain.ticket().items():
        monkeypatch.setenv(name, value)
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


def test_an_account_that_may_not_read_passwords_is_reported_so(domain: Domain) -> None:
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
    domain.expire_account("expired")
    result = census(domain, user)
    assert "refuses the logon" in result["msg"]


def test_a_server_that_is_not_there_is_said(domain: Domain) -> None:
    assert "does not answer" in census(domain, port=1)["msg"]


def test_a_wrong_port_is_not_taken_for_a_wrong_certificate(domain: Domain) -> None:
    for more in ({"port": 389}, {"port": 636, "transport": "starttls"}):
        reported = census(domain, **more)["msg"]
        assert "Check the name, the port, the transport" in reported
        assert "not accepted" not in reported


def test_a_server_that_is_frozen_is_waited_for_no_longer_than_the_timeout(domain: Domain) -> None:
    options = {"port": None, "transport": "ldaps"} | domain.options(timeout=2)
    begun = time.monotonic()
    with connect(domain.servers[0], options) as directory, domain.frozen():
        for transport in ("ldaps", "starttls"):
            assert "does not answer over" in census(domain, timeout=2, transport=transport)["msg"]
        with pytest.raises(DirectoryLostError, match="no answer came within 2 seconds"):
            list(computers.read(directory))
    assert time.monotonic() - begun < 60
    assert census(domain)["computers"] == COMPUTERS


# ---- a new certificate ----


@pytest.fixture
def recovery(own: Domain, tmp_path: Path) -> Recovery:
    """A forest that publishes a certificate whose key is lost."""
    owner, root = age_key(), tmp_path / "backups"
    root.mkdir(mode=0o700)
    key_file = tmp_path / "key.txt"
    key_file.write_text(owner.private)
    own.publish(der(LOST))
    return Recovery(own, root, owner, key_file, ssh_key(tmp_path).path)


def test_a_new_certificate_is_backed_up_verified_and_published_once(recovery: Recovery) -> None:
    planned = recovery.publish(check=True, lost_certificates=[LOST.thumbprint])
    assert (planned["changed"], planned["made"], planned["published"]) == (True, True, False)
    assert f"thumbprint: {LOST.thumbprint}" in planned["diff"]["before"]
    assert recovery.backups() == []
    made = recovery.publish(lost_certificates=[LOST.thumbprint.lower()])
    assert (made["changed"], made["made"], made["published"], made["verified"]) == (True, True, True, True), made
    assert made["previous"]["thumbprint"] == LOST.thumbprint
    assert made["certificate"]["subject"] == "CN=ad.lab.test,OU=Access Manager,O=Lithnet"
    assert recovery.published() == made["certificate"]["thumbprint"]
    assert recovery.backups() == [made["backup"]["id"]]
    assert census(recovery.domain, backup_root=str(recovery.root))["forests"][0]["published"]["covered"]
    again = recovery.publish(lost_certificates=[LOST.thumbprint])
    assert (again["changed"], again["certificate"]) == (False, made["certificate"])
    assert "password" not in str({key: value for key, value in made.items() if key != "invocation"}).lower()


def test_a_run_that_was_interrupted_before_the_publication_goes_on_with_the_same_certificate(
    recovery: Recovery,
) -> None:
    refused = recovery.publish(user=recovery.domain.account("nobody"), lost_certificates=[LOST.thumbprint])
    assert "lacks the right" in refused["msg"]
    assert recovery.published() == LOST.thumbprint
    (backup_id,) = recovery.backups()
    assert refused["changed"] is True
    assert f"is in the backup {backup_id} of ad.lab.test" in refused["msg"]
    went_on = recovery.publish(lost_certificates=[LOST.thumbprint])
    assert (went_on["made"], went_on["published"], went_on["backup"]["id"]) == (False, True, backup_id)
    assert recovery.backups() == [backup_id]


def test_a_forest_without_an_entry_to_publish_in_gets_no_certificate(recovery: Recovery) -> None:
    with recovery.domain.without_publication():
        assert "If nothing was ever published there" in recovery.publish(lost_certificates=[LOST.thumbprint])["msg"]
        assert (
            "If nothing was ever published there"
            in recovery.publish(check=True, lost_certificates=[LOST.thumbprint])["msg"]
        )
    assert recovery.backups() == []


def test_nothing_is_published_that_does_not_open(recovery: Recovery, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(age_key().private)
    refused = recovery.publish(identity_file=str(wrong), lost_certificates=[LOST.thumbprint])
    assert "cannot be decrypted" in refused["msg"]
    assert (
        "only published after its backup was decrypted"
        in recovery.publish(identity_file=None, lost_certificates=[LOST.thumbprint])["msg"]
    )
    assert recovery.published() == LOST.thumbprint


def test_a_key_that_is_in_a_backup_is_not_lost(recovery: Recovery) -> None:
    store = BackupStore(str(recovery.root), "ams1")
    make_backup(store, "20261123T081500Z", encrypt_to(recovery.owner.public), certificates=[LOST])
    refused = recovery.publish(lost_certificates=[LOST.thumbprint])
    assert "is not lost: the backup 20261123T081500Z of ams1" in refused["msg"]
    assert recovery.publish()["changed"] is False


def test_what_is_published_and_nowhere_backed_up_is_not_replaced_unasked(recovery: Recovery) -> None:
    assert "no backup holds its key" in recovery.publish()["msg"]
    assert "not a thumbprint" in recovery.publish(lost_certificates=["lost"])["msg"]
    assert recovery.published() == LOST.thumbprint


def test_a_certificate_of_a_backup_is_published_by_its_thumbprint(recovery: Recovery) -> None:
    other, own = make_certificate(replace(CURRENT, subject="ad.lab.test")), make_certificate(TLS)
    expired = make_certificate(EXPIRED_CERTIFICATE)
    store = BackupStore(str(recovery.root), "ams1")
    make_backup(store, "20261123T081500Z", encrypt_to(recovery.owner.public), certificates=[other, own, expired])
    assert "valid from" in recovery.publish(thumbprint=expired.thumbprint)["msg"]
    assert "No whole backup" in recovery.publish(thumbprint="0" * 40)["msg"]
    published = recovery.publish(thumbprint=other.thumbprint, lost_certificates=[LOST.thumbprint])
    assert (published["published"], published["made"], published["warnings"]) == (True, False, [])
    assert recovery.published() == other.thumbprint
    published = recovery.publish(thumbprint=own.thumbprint)
    assert "which is not of the forest ad.lab.test" in published["warnings"][0]
    assert recovery.published() == own.thumbprint
    assert recovery.publish()["certificate"]["thumbprint"] == own.thumbprint


def test_several_published_certificates_are_refused_before_anything_is_changed(recovery: Recovery) -> None:
    domain = recovery.domain
    names = domain.seed_more(1, LOST.thumbprint)
    domain.set_all(domain.info["config_dn"], "cACertificate", [der(LOST), der(RENEWED)])
    lost = [LOST.thumbprint, RENEWED.thumbprint]
    for result in (
        recovery.publish(lost_certificates=lost),
        recovery.publish(check=True, lost_certificates=lost),
        expire(domain, lost_certificates=lost),
        census(domain),
    ):
        assert "publishes 2 certificates, where agents look for one" in result["msg"]
        assert LOST.thumbprint in result["msg"]
        assert RENEWED.thumbprint in result["msg"]
        assert result["changed"] is False
    ((_dn, found),) = domain.search(domain.info["config_dn"], ["cACertificate"])
    assert sorted(found["cACertificate"]) == sorted([der(LOST), der(RENEWED)])
    assert (recovery.backups(), expiries(domain, *names) == [EXPIRED]) == ([], False)


def test_a_plan_for_another_team_is_written_and_does_what_it_says(recovery: Recovery, tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    options = {"lost_certificates": [LOST.thumbprint], "publish_only_plan": str(folder)}
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


# ---- expiry ----


def expire(domain: Domain, user: str | None = None, *, check: bool = False, **options: Any) -> dict[str, Any]:
    common = {"servers": domain.servers, "lost_certificates": [FIRST]}
    return run("directory_password_expiry", check=check, **(common | domain.options(user) | options))


def test_only_what_depends_on_the_lost_key_expires_and_only_once(renewed: Domain) -> None:
    lost = renewed.add_computer("LOST", stored(FIRST), [stored(FIRST), stored(SECOND)])
    renewed.add_computer("OTHER", stored(SECOND), [stored(FIRST)])
    renewed.add_computer("ODD", "not an item")
    before = renewed.values(lost)
    planned = expire(renewed, check=True)
    assert (planned["changed"], planned["lost"], planned["expired"]) == (True, 1, 1), planned
    assert "CN=LOST" in planned["diff"]["prepared"]
    assert renewed.values(lost) == before
    result = expire(renewed)
    assert (result["changed"], result["computers"], result["lost"], result["expired"]) == (True, 3, 1, 1)
    assert (result["history_deleted"], result["finished"], result["failed_computers"]) == (0, True, [])
    after = renewed.values(lost)
    assert after["lithnetAdminPasswordExpiry"] == [EXPIRED]
    for attribute in ("lithnetAdminPassword", "lithnetAdminPasswordHistory"):
        assert sorted(after[attribute]) == sorted(before[attribute])
    assert EXPIRED not in expiries(renewed, "OTHER", "ODD")
    again = expire(renewed)
    assert (again["changed"], again["expired"], again["expired_before"]) == (False, 0, 1)


def test_history_under_the_lost_key_goes_and_the_rest_stays(renewed: Domain, renewed_root: str, tmp_path: Path) -> None:
    kept = [stored(SECOND), stored(THIRD), "not an item"]
    many = renewed.add_computer(
        "MANY", stored(SECOND), [*kept, *(stored(FIRST, created=1_600_000_000 + n) for n in range(1700))]
    )
    assert "needs backup_root" in expire(renewed, remove_lost_history=True)["msg"]
    options = {"remove_lost_history": True, "backup_root": renewed_root}
    assert expire(renewed, check=True, **options)["history_deleted"] == 1700
    result = expire(renewed, **options)
    assert (result["changed"], result["expired"], result["history_deleted"]) == (True, 0, 1700)
    assert sorted(renewed.values(many)["lithnetAdminPasswordHistory"]) == sorted(kept)
    assert expire(renewed, **options)["changed"] is False


def test_names_of_all_kinds_work(renewed: Domain, renewed_root: str, tmp_path: Path) -> None:
    names = ["Büro-Köln", "東京", r"A\,B", r"\#1\+\"x\"", r"a\\b", r"a\=b\;c"]
    unit = renewed.add_unit(r"Üb\,er")
    for name in names:
        renewed.add_computer(name, stored(FIRST), [stored(FIRST)], parent=unit)
    only = {"remove_lost_history": True, "backup_root": renewed_root, "search_base": unit}
    result = expire(renewed, **only)
    assert (result["expired"], result["history_deleted"], result["failed_computers"]) == (len(names), len(names), []), (
        result
    )
    assert expire(renewed, **only)["changed"] is False


def test_a_password_that_was_changed_after_it_was_read_is_left_alone(renewed: Domain) -> None:
    changed, gone, same = (
        renewed.add_computer(name, stored(FIRST), [stored(FIRST)]) for name in ("CHANGED", "GONE", "SAME")
    )
    statistics, new = ExpiryStatistics(), stored(SECOND)
    with connect(renewed.servers[0], {"transport": "ldaps", "port": None} | renewed.options()) as directory:
        found = list(computers.read(directory))
        planned = [change_of(computer, {FIRST}, statistics, history=False) for computer in found]
        renewed.set(changed, "lithnetAdminPassword", new.encode())
        renewed.delete(gone)
        for change in planned:
            carry_out(change, statistics)
    assert (statistics.expired, statistics.changed_meanwhile, statistics.failed) == (1, 2, [])
    values = renewed.values(changed)
    assert values["lithnetAdminPassword"] == [new]
    assert values["lithnetAdminPasswordExpiry"] != [EXPIRED]
    assert renewed.values(same)["lithnetAdminPasswordExpiry"] == [EXPIRED]


def test_earlier_passwords_that_are_gone_meanwhile_do_not_hold_up_the_others(renewed: Domain) -> None:
    history = [stored(FIRST, created=1_600_000_000 + number) for number in range(1200)]
    kept = stored(SECOND)
    busy = renewed.add_computer("BUSY", stored(FIRST), [*history, kept])
    statistics, new = ExpiryStatistics(), stored(SECOND, created=1_700_000_000)
    with connect(renewed.servers[0], {"transport": "ldaps", "port": None} | renewed.options()) as directory:
        (change,) = [change_of(computer, {FIRST}, statistics, history=True) for computer in computers.read(directory)]
        renewed.remove_values(busy, "lithnetAdminPasswordHistory", history[:1] + history[1100:])
        renewed.set(busy, "lithnetAdminPassword", new.encode())
        carry_out(change, statistics)
    assert (statistics.expired, statistics.changed_meanwhile, statistics.history_deleted, statistics.history_gone) == (
        0,
        1,
        1099,
        101,
    )
    assert statistics.failed == []
    values = renewed.values(busy)
    assert (values["lithnetAdminPassword"], values["lithnetAdminPasswordHistory"]) == ([new], [kept])


def test_a_limit_ends_a_run_and_the_next_goes_on(renewed: Domain) -> None:
    renewed.seed_more(7, FIRST)
    first = expire(renewed, limit=3, batch_size=2)
    assert (first["expired"], first["remaining"], first["finished"]) == (3, 4, False)
    second = expire(renewed, limit=4)
    assert (second["expired"], second["expired_before"], second["remaining"], second["finished"]) == (4, 3, 0, True)


def test_a_server_that_goes_away_in_the_middle_is_said_and_the_next_run_goes_on(renewed: Domain) -> None:
    names = renewed.seed_more(8, FIRST)
    with ThreadPoolExecutor() as threads:
        running = threads.submit(expire, renewed, batch_size=1, batch_pause=1)
        wait_until(lambda: expiries(renewed, *names).count(EXPIRED) >= 2)
        renewed.stop()
        result = running.result(60)
    assert result["failed"]
    assert "went away" in result["msg"]
    assert result["finished"] is False
    renewed.start_again()
    done = expiries(renewed, *names).count(EXPIRED)
    assert 2 <= result["expired"] == done < 8
    again = expire(renewed)
    assert (again["expired"], again["expired_before"]) == (8 - done, done), again


def test_it_refuses_while_agents_would_encrypt_to_the_lost_key_again(recovery: Recovery) -> None:
    refused = expire(recovery.domain, lost_certificates=[LOST.thumbprint])
    assert "still publishes the lost certificate" in refused["msg"]
    make_backup(BackupStore(str(recovery.root), "ams1"), "20261123T081500Z", encrypt_to(), certificates=[LOST])
    refused = expire(recovery.domain, lost_certificates=[LOST.thumbprint], backup_root=str(recovery.root))
    assert "is not lost: the backup 20261123T081500Z of ams1" in refused["msg"]


def test_it_goes_on_only_when_another_certificate_is_seen(recovery: Recovery, renewed_root: str) -> None:
    domain = recovery.domain
    names = domain.seed_more(2, LOST.thumbprint)
    user = domain.account("unseeing")
    domain.grant("unseeing", READ_RIGHTS + WRITE_RIGHTS)
    domain.hide_entry("unseeing")
    assert "No published certificate is seen" in expire(domain, user, lost_certificates=[LOST.thumbprint])["msg"]
    domain.publish(None)
    assert "No published certificate is seen" in expire(domain, lost_certificates=[LOST.thumbprint])["msg"]
    domain.publish(der(RENEWED))
    unbacked = expire(domain, lost_certificates=[LOST.thumbprint], backup_root=str(recovery.root))
    assert (
        f"publishes certificate {RENEWED.thumbprint} (CN=ad.lab.test), and no backup holds its key" in unbacked["msg"]
    )
    assert EXPIRED not in expiries(domain, *names)
    assert expire(domain, lost_certificates=[LOST.thumbprint], backup_root=renewed_root)["expired"] == 2


def test_one_domain_is_not_asked_twice(renewed: Domain) -> None:
    renewed.add_computer("ONE", stored(FIRST))
    twice = {"servers": renewed.servers * 2}
    for result in (census(renewed, **twice), expire(renewed, **twice)):
        assert "both serve the domain ad.lab.test" in result["msg"]
    assert expiries(renewed, "ONE") != [EXPIRED]


def test_a_plan_of_the_expiry_for_another_team_does_what_it_says(
    renewed: Domain, renewed_root: str, tmp_path: Path
) -> None:
    folder = tmp_path / "plan"
    folder.mkdir()
    renewed.add_computer("Büro", stored(FIRST), [stored(FIRST), stored(SECOND)])
    renewed.add_computer("OTHER", stored(SECOND))
    options = {"publish_only_plan": str(folder), "remove_lost_history": True, "backup_root": renewed_root}
    planned = expire(renewed, **options)
    assert (planned["changed"], planned["expired"], planned["history_deleted"]) == (True, 1, 1)
    assert expire(renewed, **options)["changed"] is False
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "expire-passwords-ad.lab.test.ldif": 0o600,
        "expire-passwords-ad.lab.test.jsonl": 0o600,
        "expire-passwords.ps1": 0o600,
    }
    assert expiries(renewed, "Büro") != [EXPIRED]
    ldapmodify(renewed, folder / "expire-passwords-ad.lab.test.ldif")
    assert expiries(renewed, "Büro") == [EXPIRED]
    assert counts(census(renewed)) == {FIRST: (1, 0), SECOND: (1, 1), RENEWED.thumbprint: (0, 0)}


# ---- least privilege ----


def test_an_account_with_the_documented_rights_can_do_it_and_one_without_is_reported(
    recovery: Recovery, tmp_path: Path
) -> None:
    own = recovery.domain
    names = own.seed_more(3, LOST.thumbprint)
    reader, writer = own.account("reader"), own.account("writer")
    own.grant("reader", READ_RIGHTS)
    own.grant("writer", READ_RIGHTS + WRITE_RIGHTS)
    own.grant_publication("writer")
    assert counts(census(own, reader))[LOST.thumbprint] == (3, 3)
    assert "lacks the right" in recovery.publish(user=reader, lost_certificates=[LOST.thumbprint])["msg"]
    published = recovery.publish(user=writer, lost_certificates=[LOST.thumbprint])
    assert published.get("published"), published
    options = {"lost_certificates": [LOST.thumbprint], "remove_lost_history": True, "backup_root": str(recovery.root)}
    refused = expire(own, reader, max_failures=1, **options)
    assert refused["failed"]
    assert "lacks the right" in refused["msg"]
    assert len(refused["failed_computers"]) == 2
    none = expire(own, reader, **options)
    assert none["msg"].startswith("None of the 3 computer(s) that were to be changed could be. The last: ")
    assert (none["changed"], len(none["failed_computers"])) == (False, 3)
    assert EXPIRED not in expiries(own, *names)
    done = expire(own, writer, **options)
    assert (done["expired"], done["history_deleted"], done["failed_computers"]) == (3, 3, []), done


def test_a_certificate_that_the_account_may_not_read_is_not_taken_for_none(recovery: Recovery) -> None:
    user = recovery.domain.account("blind")
    recovery.domain.hide_publication("blind")
    assert "may not read 'CN=AccessManagerConfig" in census(recovery.domain, user)["msg"]
    assert (
        "may not read 'CN=AccessManagerConfig"
        in recovery.publish(user=user, lost_certificates=[LOST.thumbprint])["msg"]
    )
    assert recovery.backups() == []


def test_rights_on_a_part_of_the_domain_or_one_attribute_are_not_taken_for_an_empty_rest(own: Domain) -> None:
    own.add_computer("HERE", stored(FIRST))
    own.add_computer("THERE", stored(FIRST), parent=own.add_unit("Elsewhere"))
    own.publish(der(RENEWED))
    user = own.account("partly")
    own.grant("partly", READ_RIGHTS)
    result = census(own, user)
    assert "may not read the passwords of 1 computer(s)" in result["msg"]
    assert "CN=THERE" in result["msg"]
    assert "may not read the passwords of 1 computer(s)" in expire(own, user)["msg"]
    odd = own.add_computer("ODD", stored(FIRST))
    own.deny(odd, "lithnetAdminPassword", "partly")
    assert census(own, user, search_base=own.workstations)["msg"].startswith(
        "The account may not read the passwords of 1 computer"
    )
    history = own.account("nohistory")
    own.grant("nohistory", READ_RIGHTS[:1])
    assert "CN=HERE" in census(own, history, search_base=own.workstations)["msg"]


def test_a_history_that_is_hidden_is_noticed_computer_by_computer(renewed: Domain, renewed_root: str) -> None:
    """Rights that one computer has of its own say nothing of the next one in the same container."""
    user = renewed.account("onebyone")
    renewed.grant("onebyone", READ_RIGHTS[:1])
    for number in range(3):
        renewed.grant_on(renewed.add_computer(f"A{number}", stored(FIRST)), "onebyone", READ_RIGHTS[1:])
    renewed.add_computer("HIDDEN", stored(FIRST), [stored(SECOND)])
    denied = renewed.add_computer("DENIED", stored(FIRST), [stored(SECOND)])
    renewed.grant_on(denied, "onebyone", READ_RIGHTS[1:])
    renewed.deny(denied, "lithnetAdminPasswordHistory", "onebyone")
    options = {"lost_certificates": [SECOND], "remove_lost_history": True, "backup_root": renewed_root}
    for result in (census(renewed, user), expire(renewed, user, check=True, **options)):
        assert "may not read the passwords of 2 computer(s)" in result["msg"]
        assert "CN=HIDDEN" in result["msg"]
        assert "CN=DENIED" in result["msg"]


def test_a_certificate_that_alone_may_not_be_read_is_not_taken_for_none(recovery: Recovery) -> None:
    user = recovery.domain.account("halfblind")
    recovery.domain.hide_publication("halfblind", "cACertificate")
    assert "may not read 'CN=AccessManagerConfig" in census(recovery.domain, user)["msg"]


# ---- what is said to be lost ----


def test_a_certificate_that_nothing_knows_is_not_taken_for_a_lost_one(recovery: Recovery) -> None:
    domain, root = recovery.domain, str(recovery.root)
    domain.add_computer("ONE", stored(FIRST))
    assert "keys" in census(domain, backup_root=root, lost_certificates=[FIRST, LOST.thumbprint])
    assert f"The certificate {THIRD} is not known" in census(domain, backup_root=root, lost_certificates=[THIRD])["msg"]
    recovery.publish(lost_certificates=[LOST.thumbprint, THIRD])
    assert "keys" in census(domain, backup_root=root, lost_certificates=[THIRD]), (
        "the new certificate's backup names what it replaces"
    )
    make_backup(
        BackupStore(root, "ams1"), "20261123T081500Z", encrypt_to(recovery.owner.public), certificates=[RENEWED]
    )
    assert (
        "is not lost: the backup 20261123T081500Z"
        in census(domain, backup_root=root, lost_certificates=[RENEWED.thumbprint])["msg"]
    )


# ---- what a server needs ----


def test_what_a_server_needs_in_the_directory_is_said_with_the_command_until_it_is_there(own: Domain) -> None:
    web, name = "ams.ad.lab.test", "HTTP/ams.ad.lab.test"
    sid = own.sid_of(own.account("service").partition("@")[0])
    computers = [own.add_computer(one, None, account=f"{one}$") for one in ("AMSNEW", "AMSOLD")]
    wanted = {"computer": "amsnew", "service_account": sid, "web_names": [web, "localhost", "*.ad.lab.test"]}

    def problems() -> list[str]:
        found: list[str] = census(own, census=False, server=wanted)["server_problems"]
        return found

    missing, *groups = problems()
    assert f"The SPN {name} is on no account" in missing
    assert missing.endswith(f"Run: setspn -S {name} amsnew")
    assert "S-1-5-32-560" in "".join(groups)
    own.set_all(computers[1], "servicePrincipalName", [name.encode()])
    assert "is on AMSOLD$, and" in problems()[0]
    assert f"Run: setspn -D {name} AMSOLD; setspn -S {name} amsnew" in problems()[0]
    own.set(computers[1], "servicePrincipalName", None)
    own.set_all(computers[0], "servicePrincipalName", [name.encode()])
    own.join("service", "S-1-5-32-560", "S-1-5-32-579")
    assert problems() == []
    wanted["service_account"] = r"AD\service"
    assert problems() == []
    own.remove_values(computers[0], "servicePrincipalName", [name])


def test_the_accounts_of_windows_are_the_computers_own_and_one_of_elsewhere_is_said(own: Domain) -> None:
    own.add_computer("AMSNEW", None, account="AMSNEW$")
    wanted = {"computer": "AMSNEW", "web_names": []}
    for sid in ("S-1-5-18", "S-1-5-80-1-2-3-4-5"):
        found = census(own, census=False, server=wanted | {"service_account": sid})["server_problems"]
        assert all("AMSNEW$ is not in" in one for one in found)
    found = census(own, census=False, server=wanted | {"service_account": "S-1-5-21-1-2-3-1000"})["server_problems"]
    assert "is in none of these domains" in found[0]
    for wrong in ({"computer": "a)(b"}, {"service_account": "S-1-5-21-1)(x"}):
        assert "no " in census(own, server=wanted | {"service_account": "S-1-5-18"} | wrong)["msg"]


# ---- in the manifest of a backup ----


def test_a_backup_that_lacks_a_key_on_which_passwords_depend_is_incomplete(recovery: Recovery) -> None:
    held = make_certificate(replace(CURRENT, subject="ad.lab.test"))
    recovery.domain.publish(der(held))
    recovery.domain.add_computer("FINE", stored(held.thumbprint))
    assert commit_with_census(recovery, held)["status"] == "complete"
    recovery.domain.seed_more(2, LOST.thumbprint)
    result = commit_with_census(recovery, held)
    assert result["status"] == "incomplete"
    assert result["problems"] == [
        f"2 current and 2 earlier passwords in the directory depend on certificate {LOST.thumbprint}: no backup holds "
        "its private key. A backup of each server looks for it in every store where Access Manager does: the "
        "service's, that of its account, and LocalMachine\\My. Back up the server that has it, or find its PFX and "
        "give it to the servers."
    ]
    keys = {key["thumbprint"]: (key["current"], key["history"], key["covered"]) for key in result["directory"]["keys"]}
    assert keys == {held.thumbprint: (1, 0, True), LOST.thumbprint: (2, 2, False)}


def test_without_a_census_the_published_certificate_alone_is_read_and_must_be_in_a_backup(recovery: Recovery) -> None:
    held = make_certificate(replace(CURRENT, subject="ad.lab.test"))
    recovery.domain.publish(der(held))
    recovery.domain.seed_more(2, LOST.thumbprint)
    result = census(recovery.domain, backup_root=str(recovery.root), census=False)
    assert (result["thumbprints"], result["uncovered"]) == ([held.thumbprint], [held.thumbprint])
    assert "keys" not in result
    assert f"publishes certificate {held.thumbprint}, to which agents encrypt" in result["problems"][0]
    made = commit_with_census(recovery, held, census=False)
    assert (made["status"], made["problems"]) == ("complete", [])
    assert "directory" not in made
    recovery.domain.publish(der(RENEWED))
    made = commit_with_census(recovery, held, census=False)
    assert made["status"] == "incomplete"
    assert RENEWED.thumbprint in made["problems"][0]


def test_what_is_for_a_census_is_refused_without_one(recovery: Recovery) -> None:
    result = census(recovery.domain, census=False, lost_certificates=[LOST.thumbprint])
    assert "are for a census" in result["msg"]


def test_a_backup_is_made_though_the_directory_does_not_answer(recovery: Recovery) -> None:
    held = make_certificate()
    result = commit_with_census(recovery, held, port=1)
    assert (result["status"], [one["thumbprint"] for one in result["certificates"]]) == (
        "incomplete",
        [held.thumbprint],
    )
    assert "does not answer over ldaps on port 1" in result["problems"][0]
    assert "directory" not in result


def commit_with_census(recovery: Recovery, held: TestCertificate, **options: Any) -> dict[str, Any]:
    """Makes a backup of ams1 with one key, as the role does, and returns what became of it."""
    store = BackupStore(str(recovery.root), "ams1")
    taken = census(recovery.domain, backup_root=str(recovery.root), **options)
    backup_id = PartialBackup.begin(store).id
    dates = {"not_before": "2026-01-01T00:00:00Z", "not_after": "2046-01-01T00:00:00Z"}
    fill(
        store,
        backup_id,
        certificates=[{"thumbprint": held.thumbprint, "subject": "CN=ad.lab.test", "exported": True} | dates],
    )
    return run("backup_commit", backup_root=str(recovery.root), backup_id=backup_id, directory=taken)


# ---- the playbook, when another team owns the directory ----


def test_the_playbook_makes_one_plan_after_the_other_and_then_has_nothing_to_do(
    recovery: Recovery, tmp_path: Path
) -> None:
    domain, folder = recovery.domain, tmp_path / "plan"
    folder.mkdir()
    names = domain.seed_more(2, LOST.thumbprint)

    def recover(**options: Any) -> tuple[bool, str]:
        connection = domain.options()
        variables = {
            "target": "controller",
            "ansible_connection": "local",
            "access_manager_backup_root": str(recovery.root),
            "access_manager_recipients": [recovery.owner.public],
            "access_manager_identity_file": str(recovery.key_file),
            "access_manager_directory_servers": domain.servers,
            "access_manager_directory_user": connection["bind_user"],
            "access_manager_directory_password": connection["bind_password"],
            "access_manager_directory_ca_file": connection["ca_file"],
            "recover_certificate_import": False,
            "recover_certificate_lost": [LOST.thumbprint],
            "recover_certificate_publish_only_plan": str(folder),
        } | options
        done = run_playbook("lithnet.access_manager.recover_certificate", "controller,", extra_vars=variables)
        assert done.rc == 0, done.output
        return any(one.result.get("changed") for one in done.results), done.stdout

    changed, reported = recover()
    assert (changed, recovery.published()) == (True, LOST.thumbprint)
    assert f"and not published yet. Have what is in '{folder}' carried out" in reported
    assert not list(folder.glob("expire*"))
    ldapmodify(domain, folder / "publish-certificate.ldif")
    changed, reported = recover()
    assert (changed, expiries(domain, *names).count(EXPIRED)) == (True, 0)
    assert "2 passwords are planned to expire" in reported
    domain.set(f"CN={names[0]},{domain.workstations}", "lithnetAdminPassword", stored(SECOND).encode())
    assert ldapmodify(domain, folder / "expire-passwords-ad.lab.test.ldif", may_fail=True) == 16  # noSuchAttribute
    assert [one == EXPIRED for one in expiries(domain, *names)] == [False, True]
