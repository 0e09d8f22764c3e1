# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recovery changes nothing unless each server of the play says that it does not have the lost key, whatever the
keywords of the play, the strategy, and the command line.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed")

from cryptography.hazmat.primitives import serialization  # noqa: E402
from support.backups import KeyPair  # noqa: E402
from support.certificates import TestCertificate  # noqa: E402
from support.domain import stored  # noqa: E402
from support.playbook import PlaybookRun  # noqa: E402
from support.plays import failure_of  # noqa: E402
from unit.fleets import DEAD, Fleet, play  # noqa: E402
from unit.rogue_ldap import ADDRESS, RogueServer, attributes, done  # noqa: E402
from unit.servers import certificate as described  # noqa: E402

pytestmark = pytest.mark.slow

FOREST = "ad.lab"
BASE = "DC=ad,DC=lab"
PLAYBOOK = "lithnet.access_manager.recover_certificate"
FREE = {"ANSIBLE_STRATEGY": "free"}
HONEST: dict[str, Any] = {}
PUBLISH = "Back up and publish a new certificate"


def directory(base: str, lost: TestCertificate) -> list[Any]:
    """A forest that publishes the lost certificate, with one computer whose password depends on it."""
    if base == "":
        names = {"defaultNamingContext": BASE, "rootDomainNamingContext": BASE, "schemaNamingContext": "CN=Schema"}
        names["configurationNamingContext"] = f"CN=Configuration,{BASE}"
        return [attributes("", {key: [name.encode()] for key, name in names.items()}), done()]
    if base == BASE:
        values = dict.fromkeys(("lithnetAdminPassword", "lithnetAdminPasswordHistory"), stored(lost.thumbprint))
        return [attributes(f"CN=PC1,{BASE}", {name: [text.encode()] for name, text in values.items()}), done(b"")]
    if base == "CN=Schema":
        known = {"lDAPDisplayName": [b"x"], "schemaIDGUID": [b"\1" * 16], "searchFlags": [b"128"]}
        return [attributes("CN=x,CN=Schema", known), done(b"")]
    published = [lost.certificate.public_bytes(serialization.Encoding.DER)]
    return [attributes(base, {"objectClass": [b"top"], "cACertificate": published}), done()]


@pytest.fixture
def fleet(tmp_path: Path, owner: KeyPair, certificate: TestCertificate) -> Iterator[Fleet]:
    """Nothing listens for changes in the directory: a recovery that begins backs up a certificate, and fails then."""
    rogue = RogueServer(tmp_path, lambda base, _before: directory(base, certificate))
    with rogue.serving(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3) as port:
        fleet = Fleet(tmp_path, owner)
        fleet.variables = {
            "access_manager_directory_servers": [ADDRESS],
            "access_manager_directory_port": port,
            "access_manager_directory_user": "EXAMPLE\\recovery",
            "access_manager_directory_password": "a password",
            "access_manager_directory_ca_file": str(rogue.certificate),
            "recover_certificate_lost": [certificate.thumbprint],
        }
        yield fleet


def with_the_key(lost: TestCertificate) -> dict[str, Any]:
    return {"installation_info": {"certificates": [described(lost.thumbprint)]}}


def began(fleet: Fleet, run: PlaybookRun) -> bool:
    """Whether a recovery began to change something: its first step makes and backs up a certificate."""
    tried = [one for one in run.results if one.task.endswith(PUBLISH) and one.status != "skipped"]
    return bool(tried) or (fleet.root / FOREST).exists()


own = functools.partial(play, "recover_certificate")


def test_a_recovery_begins_when_no_server_has_the_key(fleet: Fleet) -> None:
    run = fleet.run([own()], {"ams1": HONEST, "ams2": HONEST})
    assert began(fleet, run), run.output
    assert fleet.backups(FOREST), run.output


@pytest.mark.parametrize(
    ("plays", "args", "env", "dead"),
    [
        (PLAYBOOK, [], FREE, False),
        ([own()], [], FREE, True),
        ([own(strategy="free", ignore_errors=True, ignore_unreachable=True)], [], {}, False),
        ([own(serial=1, ignore_errors=True)], [], {}, False),
        ([own(ignore_errors=True, ignore_unreachable=True)], [], {}, True),
        ([own(ignore_errors=True)], ["--limit", "ams1"], {}, False),
        ([own()], ["--start-at-task", "Do the work"], {}, False),
    ],
    ids=["free", "free, dead", "free, errors ignored", "serial", "dead, ignored", "limit", "in the middle"],
)
def test_a_recovery_changes_nothing_while_a_server_may_have_the_key(
    fleet: Fleet, certificate: TestCertificate, plays: Any, args: list[str], env: dict[str, str], dead: bool
) -> None:
    other = DEAD if dead else with_the_key(certificate)
    run = fleet.run(plays, {"ams1": HONEST, "ams2": other}, *args, env=env)
    assert "TASK [lithnet.access_manager.recover_certificate : " in run.stdout
    assert not began(fleet, run), run.output


def test_the_refusals_name_the_server_and_what_to_do(fleet: Fleet, certificate: TestCertificate) -> None:
    servers = {"ams1": HONEST, "ams2": with_the_key(certificate), "ams3": HONEST}
    run = fleet.run([own(serial=2)], servers, "--limit", "ams1,ams2,ams3")
    assert f"The private key of certificate {certificate.thumbprint} is not lost: ams2 has it" in run.output
    refusal = failure_of(run, "ams1")
    assert "Nothing is changed, for ams3 may have the key" in refusal
    assert "--limit ams1,ams2,ams3 may leave out a server that has the key" in refusal


@pytest.mark.parametrize("said_to_be_lost", [False, True])
def test_a_key_that_a_configuration_holds_is_not_lost_until_a_person_says_so(
    fleet: Fleet, certificate: TestCertificate, said_to_be_lost: bool
) -> None:
    wrapped = {"installation_info": {"synchronised_certificates": [certificate.thumbprint]}}
    args = ["-e", f"recover_certificate_configuration_keys_lost={said_to_be_lost}"]
    run = fleet.run([own(ignore_errors=True)], {"ams1": HONEST, "ams2": wrapped}, *args)
    assert began(fleet, run) is said_to_be_lost, run.output
    assert ("the configuration of ams2 holds it" in run.output) is not said_to_be_lost
    assert (f"The configuration of ams2 holds the key of certificate {certificate.thumbprint}" in run.output) is (
        not said_to_be_lost
    )


def test_no_password_expires_before_each_server_has_the_certificate(
    fleet: Fleet, certificate: TestCertificate
) -> None:
    """An import fails, and the play goes on."""
    name = {"name": "lithnet.access_manager.recover_certificate", "tasks_from": "recover.yml"}
    lost = {"thumbprints": [certificate.thumbprint], "current": 1, "history": 0}
    facts = {
        "recover_certificate_census": {"lost": lost},
        "recover_certificate_new": {"published": True, "certificate": {}, "backup": {"host": FOREST, "id": "none"}},
    }
    plays = [own(tasks=[{"name": "Step", "ansible.builtin.import_role": name}], ignore_errors=True)]
    run = fleet.run(plays, {"ams1": HONEST, "ams2": HONEST}, extra=facts)
    expired = [one.status for one in run.results if one.module.endswith("directory_password_expiry")]
    assert set(expired) == {"skipped"}, run.output
    assert "No password expires yet: ams1, ams2 did not get the certificate" in run.output
