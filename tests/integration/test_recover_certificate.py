# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of a lost key: a server and its domain, seen in time by backups, and recovered by runs that are killed on
the way.
"""

from __future__ import annotations

import base64
import json
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from support.ams_host import PATIENCE, SERVICE_SID, AmsHost, MakeHost
from support.backups import Backup, KeyPair, backups_of
from support.certificates import CURRENT, make_certificate
from support.domain import Domain, available, stored
from support.host_state import STORE, identity_file, remove_certificate
from support.leaks import find_leaks, key_needles, text_needles
from support.playbook import REPOSITORY, PlaybookRun, RunningPlaybook, results_of, run_playbook, start_playbook
from support.plays import BACKUP, failure_of
from support.recovery import EXPIRED, Recovery, counts, expiries, wait_until
from support.recovery import census as take_census
from support.runbooks import Runbook, commands
from unit.actions import run as run_action
from unit.encrypted_backups import encrypt_to
from unit.encrypted_backups import make as make_backup
from unit.signers import ssh_key

NAME, FOREST = "ams-lost", "ad.lab.test"
ELSEWHERE, ANOTHER = "E5" * 20, "F6" * 20
"""Certificates whose keys nobody has: one that is not to be recovered from, and one for a plan."""

RUNBOOK = "lost_certificate"
STEPS = [step for step in Runbook.read(RUNBOOK).steps if step.command.startswith("ansible-playbook")]
LOOK, PLAN, RECOVER, AGAIN = (step.command for step in STEPS)
"""How the runbook has the playbook run, one time after the other."""

COMPUTERS = 8
PUBLISH, IMPORT, RESTART, CENSUS_AGAIN = (
    "Back up and publish a new certificate",
    "Import the certificate with its private key",
    "Restart the service",
    "Take the census again, until no current password depends on the lost key",
)
"""Tasks of the role in which runs are killed, beside the expiry."""

SLOWLY = {"recover_certificate_batch_size": 1, "recover_certificate_batch_pause": 1}
OPEN = r"""
$task = [Console]::In.ReadToEnd() | ConvertFrom-Json
$certificate = $store.Certificates | Where-Object { $_.Thumbprint -eq $task.thumbprint }
$key = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($certificate)
$padding = [Security.Cryptography.RSAEncryptionPadding]::OaepSHA512
$opened = $key.Decrypt([Convert]::FromBase64String($task.data), $padding)
$file = New-Object IO.FileInfo "C:\ProgramData\Microsoft\Crypto\Keys\$($key.Key.UniqueName)"
$reported = @{
    text = [Text.Encoding]::UTF8.GetString($opened)
    kind = $key.GetType().Name
    sddl = $file.GetAccessControl().GetSecurityDescriptorSddlForm('Access')
}
[Console]::Out.Write(($reported | ConvertTo-Json))
"""


@pytest.fixture(scope="module")
def domain(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    if missing := available():
        pytest.skip(f"no domain controller: {missing}")
    domain = Domain.start(tmp_path_factory.mktemp("domain") / "dc")
    domain.seed(0, [ELSEWHERE])
    yield domain
    domain.remove()


@pytest.fixture(scope="module")
def server(make_host: MakeHost) -> AmsHost:
    return make_host(NAME, certificates=(replace(CURRENT, subject=FOREST),))


@dataclass(frozen=True)
class Story:
    """A server whose forest publishes its certificate, and computers whose passwords depend on it."""

    server: AmsHost
    recovery: Recovery
    inventory: Path
    names: list[str]

    @property
    def lost(self) -> str:
        return self.server.certificates[0].thumbprint

    @property
    def domain(self) -> Domain:
        return self.recovery.domain

    @property
    def state(self) -> Path:
        """Where the controller keeps from run to run what it did."""
        return self.inventory.parent / "state"

    def backup(self, **options: Any) -> PlaybookRun:
        return run_playbook(BACKUP, self.inventory, extra_vars={"backup_directory_census": True} | options)

    def recover(self, *more: str, command: str = RECOVER, **options: Any) -> PlaybookRun:
        return self.start(*more, command=command, **options).wait(PATIENCE)

    def start(self, *more: str, command: str = RECOVER, **options: Any) -> RunningPlaybook:
        """Starts a command of the runbook, with an inventory in which a lost certificate is named."""
        _program, playbook, _option, _inventory, *args = shlex.split(command)
        state = {"recover_certificate_state_dir": str(self.state)}
        variables = {"recover_certificate_lost": [self.lost]} | state | options
        return start_playbook(playbook, self.inventory, extra_vars=variables, args=[*args, *more])

    def killed(self, moment: Callable[[RunningPlaybook], bool], **options: Any) -> RunningPlaybook:
        """A run that is killed as soon as something is so."""
        running = self.start("-vvvvv", **SLOWLY, **options)
        wait_for(running, moment)
        running.kill()
        assert running.wait(PATIENCE).rc
        return running

    def expired(self) -> int:
        return expiries(self.domain, *self.names).count(EXPIRED)

    def passwords(self) -> list[str]:
        return [self.domain.values(self.dn(name))["lithnetAdminPassword"][0] for name in self.names]

    def dn(self, name: str) -> str:
        return f"CN={name},{self.domain.workstations}"


@pytest.fixture(scope="module")
def story(server: AmsHost, domain: Domain, root: Path, work: Path, settings: dict[str, Any], owner: KeyPair) -> Story:
    key_file, connection, signing = identity_file(work, owner), domain.options(), ssh_key(work)
    variables = settings | {
        "access_manager_signing_key": str(signing.path),
        "access_manager_allowed_signers": [signing.public],
        "access_manager_identity_file": str(key_file),
        "access_manager_directory_servers": domain.servers,
        "access_manager_directory_user": connection["bind_user"],
        "access_manager_directory_password": connection["bind_password"],
        "access_manager_directory_ca_file": connection["ca_file"],
    }
    certificate = server.certificates[0]
    domain.publish(certificate.certificate.public_bytes(serialization.Encoding.DER))
    names = domain.seed_more(COMPUTERS, certificate.thumbprint)
    inventory = server.write_inventory(work / "inventory.yml", variables=variables)
    return Story(server, Recovery(domain, root, owner, key_file), inventory, names)


def began(task: str, *, seconds: float = 0) -> Callable[[RunningPlaybook], bool]:
    """Whether a run has begun a task of the role; then that many seconds are waited."""

    def has_begun(running: RunningPlaybook) -> bool:
        there = f" : {task}] " in running.stdout
        time.sleep(seconds if there else 0)
        return there

    return has_begun


def wait_for(running: RunningPlaybook, moment: Callable[[RunningPlaybook], bool]) -> None:
    """Waits until something is so while a run is at work."""
    wait_until(lambda: moment(running) or running.ended, PATIENCE)
    assert not running.ended, running.stdout[-3000:]


def changed(run: PlaybookRun) -> bool:
    return any(one.result.get("changed") for one in run.results)


# ---- before it is lost ----


@dataclass(frozen=True)
class Before:
    """A backup with a census, while passwords depend on a key that nobody has, and recoveries from a key that is not
    lost.
    """

    run: PlaybookRun
    backup: Backup
    refused: tuple[PlaybookRun, PlaybookRun]


@pytest.fixture(scope="module")
def before(story: Story, root: Path, owner: KeyPair) -> Before:
    """Then neither the server nor the backups have the key any more."""
    story.domain.add_computer("ELSEWHERE", stored(ELSEWHERE), [stored(ELSEWHERE)])
    run = story.backup()
    in_backup = story.recover()
    made = backups_of(root, NAME, owner.open)
    assert len(made) == 1, run.output
    backup = made[0]
    assert backup.manifest["certificates"][0]["thumbprint"] == story.lost
    shutil.rmtree(root / NAME)
    on_server = story.recover()
    remove_certificate(story.server, story.lost)
    return Before(run, backup, (in_backup, on_server))


def test_a_backup_tells_which_passwords_depend_on_which_key(before: Before, story: Story) -> None:
    census = before.backup.manifest["directory"]
    keys = {
        key["thumbprint"]: (key["current"], key["history"], key["published"], key["covered"]) for key in census["keys"]
    }
    assert keys == {story.lost: (COMPUTERS, COMPUTERS, True, True), ELSEWHERE: (1, 1, False, False)}
    assert census["computers"] == COMPUTERS + 1


def test_a_backup_without_a_key_on_which_passwords_depend_is_incomplete(before: Before) -> None:
    problem = (
        f"1 current and 1 earlier passwords in the directory depend on certificate {ELSEWHERE}: no backup "
        "holds its private key."
    )
    assert before.backup.manifest["status"] == "incomplete"
    (reported,) = before.backup.manifest["problems"]
    assert reported.startswith(problem)
    assert "in every store where Access Manager does: the service's, that of its account, and LocalMachine" in reported
    assert problem in failure_of(before.run, NAME)


def test_what_is_not_lost_is_refused(before: Before, story: Story) -> None:
    in_backup, on_server = before.refused
    assert f"{story.lost} is not lost: the backup {before.backup.folder.name} of {NAME}" in failure_of(in_backup, NAME)
    assert rf"{story.lost} is not lost: {NAME} has it, in the store lithnetams\MY" in failure_of(on_server, NAME)
    assert not changed(in_backup)
    assert not changed(on_server)


# ---- the recovery ----


@dataclass(frozen=True)
class After:
    """A plan, runs that were killed, the one that came to its end, and one more. opened: by the server's key.

    owed: the mark of a restart that a killed run did not make, how the service turned in the next run, and what is left
    of it.
    """

    unnamed: PlaybookRun
    planned: PlaybookRun
    killed: list[RunningPlaybook]
    expired: list[int]
    owed: tuple[list[str], list[str], list[str]]
    done: PlaybookRun
    again: PlaybookRun
    passwords: list[str]
    opened: dict[str, Any]


@pytest.fixture(scope="module")
def after(before: Before, story: Story) -> After:
    recovery, folder = story.recovery, story.recovery.root / FOREST
    passwords = story.passwords()
    unnamed = story.recover(command=LOOK, recover_certificate_lost=[])
    planned = story.recover("--diff", command=PLAN)
    assert (recovery.published(), folder.exists()) == (story.lost, False)
    killed = [story.killed(began(PUBLISH, seconds=0.3))]
    killed.append(story.killed(lambda running: began(PUBLISH)(running) and any(folder.glob("2*"))))
    restart, turns = {"recover_certificate_restart_service": True}, len(story.server.turns())
    killed.append(story.killed(began(RESTART), **restart))
    expired = [story.expired()]
    restarts = story.state / "restarts"
    marks = [mark.name for mark in restarts.iterdir()]
    killed.append(story.killed(lambda running: story.expired() >= 2, **restart))
    owed = (marks, story.server.turns()[turns:][-2:], [mark.name for mark in restarts.iterdir()])
    expired.append(story.expired())
    killed.append(story.killed(began(CENSUS_AGAIN)))
    expired.append(story.expired())
    done, again = story.recover("-vvvvv"), story.recover(command=AGAIN)
    return After(unnamed, planned, killed, expired, owed, done, again, passwords, opened_by_the_server(story))


def opened_by_the_server(story: Story) -> dict[str, Any]:
    """What the server's key makes of a text that was encrypted to the published certificate as an agent encrypts its
    key.
    """
    ((_dn, found),) = story.domain.search(story.domain.info["config_dn"], ["cACertificate"])
    certificate = x509.load_der_x509_certificate(found["cACertificate"][0])
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA512()), hashes.SHA512(), None)
    task = {"thumbprint": story.recovery.published(), "data": base64.b64encode(public.encrypt(b"a key", oaep)).decode()}
    reported: dict[str, Any] = json.loads(story.server.powershell(STORE + OPEN, json.dumps(task).encode()))
    return reported


def test_a_run_without_a_name_tells_what_is_lost(after: After, story: Story) -> None:
    reported = failure_of(after.unnamed, NAME)
    assert (
        f"{COMPUTERS} current and {COMPUTERS} earlier passwords in the directory depend on certificate {story.lost}, "
        "which is published: no backup holds its private key."
    ) in reported
    assert f"1 current and 1 earlier passwords in the directory depend on certificate {ELSEWHERE}" in reported


def test_check_mode_ends_with_a_plan(after: After, story: Story) -> None:
    assert after.planned.rc == 0, after.planned.output
    assert f"{story.lost}: {COMPUTERS} current, {COMPUTERS} earlier, published, lost" in after.planned.stdout
    assert f"{ELSEWHERE}: 1 current, 1 earlier, in no backup" in after.planned.stdout
    assert f"{COMPUTERS} current passwords are to expire" in after.planned.stdout
    assert not results_of(after.planned, PUBLISH)


def test_the_runs_print_what_the_runbook_says(after: After, story: Story) -> None:
    places = {"6E58119B945A2531B4C73C0CA088664648737510": story.lost, "example.com": FOREST}
    for step, run in zip(STEPS, (after.unnamed, after.planned, after.done, after.again), strict=True):
        step.expect(run.output, places)


def test_runs_that_were_killed_are_finished_by_the_next(after: After, story: Story) -> None:
    assert after.done.rc == 0, after.done.output
    assert after.expired[0] <= 1 < 2 <= after.expired[1] < COMPUTERS
    assert after.expired[2] == COMPUTERS
    assert expiries(story.domain, "ELSEWHERE") != [EXPIRED]
    assert f"{COMPUTERS} current passwords still depend on the lost key" in after.done.stdout
    assert story.passwords() == after.passwords
    assert len(story.recovery.backups()) == 1


def test_a_restart_that_a_killed_run_owed_is_made_by_the_next(after: After) -> None:
    assert after.owed == ([f"{FOREST}-{NAME}"], ["stopped", "started"], [])


def test_a_second_run_changes_nothing(after: After) -> None:
    assert after.again.rc == 0, after.again.output
    assert not changed(after.again)
    assert f"0 passwords expire, {COMPUTERS} had before" in after.again.stdout


def test_the_server_has_the_published_certificate_with_a_cng_key_that_the_service_may_read(after: After) -> None:
    assert after.opened["text"] == "a key"
    assert after.opened["kind"] == "RSACng"
    assert f";;{SERVICE_SID})" in after.opened["sddl"]


def test_the_new_key_is_in_a_backup_and_nowhere_else_to_be_read(after: After, story: Story) -> None:
    (backup,) = backups_of(story.recovery.root, FOREST, story.recovery.owner.open)
    (certificate,) = backup.manifest["certificates"]
    assert certificate["thumbprint"] == story.recovery.published()
    password = backup.pfx_passwords[certificate["thumbprint"]]
    needles = key_needles("the new key", backup.private_numbers(certificate["thumbprint"]).private_key())
    needles |= text_needles("password of the PFX", password)
    needles |= {"password of the directory": story.domain.info["password"].encode()}
    places = [running.folder for running in after.killed] + [after.done.folder, story.recovery.root]
    assert [leak for place in places for leak in find_leaks(place, needles)] == []


# ---- afterwards ----


def test_it_restarts_the_service_if_asked_waits_for_agents_and_then_a_backup_is_complete(
    after: After, story: Story
) -> None:
    new, turns = str(story.recovery.published()), len(story.server.turns())
    remove_certificate(story.server, new)
    story.domain.delete(story.dn("ELSEWHERE"))
    for name in story.names[1:]:
        story.domain.set(story.dn(name), "lithnetAdminPassword", stored(new).encode())
    options = {"recover_certificate_wait_minutes": 5, "recover_certificate_wait_interval": 2}
    running = story.start(
        recover_certificate_remove_lost_history=True, recover_certificate_restart_service=True, **options
    )
    wait_for(running, lambda running: f"FAILED - RETRYING: [{NAME}]: " in running.stdout)
    story.domain.set(story.dn(story.names[0]), "lithnetAdminPassword", stored(new).encode())
    done = running.wait(PATIENCE)
    assert done.rc == 0, done.output
    assert "No current password depends on the lost key any more" in done.stdout
    assert results_of(done, CENSUS_AGAIN)[-1]["attempts"] > 1
    assert story.server.turns()[turns:] == ["stopped", "started"]
    assert counts(take_census(story.domain)) == {new: (COMPUTERS, 0)}
    backed_up = story.backup()
    assert backed_up.rc == 0, backed_up.output
    reported = failure_of(story.backup(backup_directory_port=1), NAME)
    assert "so there is no new backup. " in reported
    assert "does not answer over ldaps on port 1" in reported


# ---- another team owns the directory ----

RUN = r"""
Add-Type -TypeDefinition ([IO.File]::ReadAllText('C:\plan\directory_services.cs'))
function Add-Type { }
[System.DirectoryServices.Protocols.LdapConnection]::Load('C:\plan\before')
Set-Location 'C:\plan'
foreach ($time in 1, 2) {
    COMMANDS
}
[System.DirectoryServices.Protocols.LdapConnection]::Save('C:\plan\after')
"""
Entries = dict[tuple[str, str], list[bytes]]


def test_the_scripts_for_another_team_do_what_the_plan_says(after: After, story: Story, tmp_path: Path) -> None:
    """Windows' LDAP is not on lab hosts: a directory in memory stands for it, with what the real one held for the plan.
    """
    domain, folder = story.domain, story.server.drive_c / "plan"
    other = make_certificate(replace(CURRENT, subject=FOREST))
    make_backup(
        BackupStore(str(tmp_path), "ams9"),
        "20261123T081500Z",
        encrypt_to(story.recovery.owner.public),
        certificates=[other],
    )
    kept = [stored(ELSEWHERE), stored(ELSEWHERE)]
    history = [stored(ANOTHER, created=1_600_000_000 + number) for number in range(1600)]
    many = domain.add_computer("Büro", stored(ANOTHER), [*kept, *history])
    late = domain.add_computer("LATE", stored(ANOTHER))
    folder.mkdir()
    plan = {"publish_only_plan": str(folder), "backup_root": str(tmp_path), "lost_certificates": [ANOTHER]}
    published = replace(story.recovery, root=tmp_path).publish(thumbprint=other.thumbprint, **plan)
    expiry = {"servers": domain.servers, "remove_lost_history": True} | domain.options() | plan
    expiry |= {"backup_root": str(story.recovery.root)}
    planned = run_action("directory_password_expiry", **expiry)
    assert (published["certificate"]["thumbprint"], planned["expired"], planned["history_deleted"]) == (
        other.thumbprint,
        2,
        1600,
    )

    entries = {
        (dn, name): values for dn in (many, late, domain.info["config_dn"]) for name, values in read(domain, dn).items()
    }
    entries[late, "lithnetAdminPassword"] = [stored(ELSEWHERE).encode()]
    write(folder / "before", entries)
    shutil.copy(REPOSITORY / "tests" / "support" / "directory_services.cs", folder)
    scripts = "\n".join(commands(RUNBOOK, "powershell")).replace("example.com", FOREST)
    reported = story.server.powershell(RUN.replace("COMMANDS", scripts))
    expected = entries | {
        (many, "lithnetAdminPasswordExpiry"): [b"0"],
        (many, "lithnetAdminPasswordHistory"): [one.encode() for one in kept],
        (domain.info["config_dn"], "cACertificate"): [other.certificate.public_bytes(serialization.Encoding.DER)],
    }
    assert parsed(folder / "after") == {key: sorted(values) for key, values in expected.items()}
    assert reported.count(f"{many}: expired") == 2, reported
    assert reported.count(f"{late}: changed meanwhile") == 2
    assert [reported.count(f"{many}: {number} earlier passwords deleted") for number in (1600, 0)] == [1, 1]
    assert "The certificate is published.\n" in reported.replace("\r", "")
    assert "The certificate is published already." in reported


def read(domain: Domain, dn: str) -> dict[str, list[bytes]]:
    names = ("lithnetAdminPassword", "lithnetAdminPasswordHistory", "lithnetAdminPasswordExpiry", "cACertificate")
    ((_dn, found),) = domain.search(dn, names)
    return found


def write(file: Path, entries: Entries) -> None:
    """As the stand-in reads it: a line for each value, its entry, attribute and itself in Base64."""
    lines = [(dn.encode(), name.encode(), value) for (dn, name), values in entries.items() for value in values]
    file.write_text("".join(" ".join(base64.b64encode(part).decode() for part in line) + "\n" for line in lines))


def parsed(file: Path) -> Entries:
    found: Entries = {}
    for line in file.read_text().splitlines():
        dn, name, value = (base64.b64decode(part) for part in line.split(" "))
        found.setdefault((dn.decode(), name.decode()), []).append(value)
    return {key: sorted(values) for key, values in found.items()}
