# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that sends what no restore would open: the backup is incomplete and says why, and a verification without a
key too.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.server_survey import Survey
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._signing.trust import Trust
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest as manifest_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.key_index import KeyIndex
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.call import Target
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows.tls_binding import plain_binding
from cryptography.hazmat.primitives import serialization
from support.backups import KeyPair
from support.certificates import CURRENT, TestCertificate, make_certificate
from unit.actions import HOST, run
from unit.opened_backups import domain_secret
from unit.servers import ACCESS_MANAGER, server, tls_certificate
from unit.servers import certificate as described_certificate
from unit.signers import ssh_key
from unit.target_side import bundle, file_record, protect
from unit.templates import rendered, task_of_role

NOTHING: dict[str, Any] = {}


class Server:
    """What a server answers to each call of a backup."""

    def __init__(self, certificate: TestCertificate) -> None:
        self.described = server()
        self.contents = [b"{}", b"cache", b"exit"]
        self.secrets: Any = {"Email.Password": {"mode": 1, "value": "opened"}}
        self.settings: Any = {"Authentication.Mode": "Oidc", "Email.Host": "smtp.example"}
        self.exports = {
            certificate.thumbprint: {
                "cer": base64.b64encode(certificate.certificate.public_bytes(serialization.Encoding.DER)).decode(),
                "pfx": base64.b64encode(certificate.pfx).decode(),
                "password": certificate.pfx_password,
            }
        }
        dates = (certificate.certificate.not_valid_before_utc, certificate.certificate.not_valid_after_utc)
        not_before, not_after = (f"{date:%Y-%m-%dT%H:%M:%S}.0000000Z" for date in dates)
        subject = certificate.certificate.subject.rfc4514_string()
        self.certificates = [
            described_certificate(certificate.thumbprint)
            | {"subject": subject, "not_before": not_before, "not_after": not_after}
        ]

    def call(self, module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        halves = {
            "artifact_fetch": self._files,
            "backup_export": self._all,
            "certificate_export": self._keys,
            "secret_export": self._secrets,
        }
        return halves[module](arguments)

    def _all(self, arguments: dict[str, Any]) -> dict[str, Any]:
        parts = {"config": self._files, "certificates": self._keys, "secrets": self._secrets}
        return {"steady": True, "attempts": 1} | {name: part(arguments) for name, part in parts.items()}

    def _files(self, arguments: dict[str, Any]) -> dict[str, Any]:
        sent = bundle(self.described, self.contents)
        return {
            "steady": True,
            "attempts": 1,
            "path": "",
            "envelope": protect(sent, arguments["public_key"], "artifact_fetch"),
        }

    def _keys(self, arguments: dict[str, Any]) -> dict[str, Any]:
        sent = json.dumps(self.exports).encode()
        return {
            "certificates": self.certificates,
            "envelope": protect(sent, arguments["public_key"], "certificate_export"),
        }

    def _secrets(self, arguments: dict[str, Any]) -> dict[str, Any]:
        secrets = [{"path": path, "mode": 1} for path in self.secrets]
        sent = json.dumps(self.secrets).encode()
        envelope = protect(sent, arguments["public_key"], "secret_export")
        return {"secrets": secrets, "settings": self.settings, "envelope": envelope}


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch, certificate: TestCertificate) -> Server:
    """The server that every call reaches; honest until a test makes it lie."""
    answering = Server(certificate)

    def call_once(
        target: Target, arguments: dict[str, Any], shape: Any, *, module: str | None = None, **_more: Any
    ) -> Any:
        if arguments.get("step") == "remove":
            return {"changed": True}
        return target.checked(answering.call(module or target._module, arguments), shape)

    monkeypatch.setattr(Target, "call_once", call_once)
    return answering


WHOLE, PART_BY_PART = ("backup_export",), ("artifact_fetch", "certificate_export", "secret_export")


def backed_up(root: Path, owner: KeyPair, modules: tuple[str, ...] = PART_BY_PART, **fetch: Any) -> dict[str, Any]:
    """The result of a backup's last step, or of the first that failed."""
    common = {"backup_root": str(root), "recipients": [owner.public]}
    opened = run("backup_commit", state="opened", inventory={"x": "y"}, force=True, **common)
    assert not opened.get("failed"), opened
    more = {"artifact_fetch": {"include_database": True} | fetch, "backup_export": fetch}
    for module in modules:
        made = run(module, backup_id=opened["backup_id"], **common, **more.get(module, NOTHING))
        if made.get("failed"):
            return made
    return run("backup_commit", state="committed", backup_id=opened["backup_id"], **common)


def verified(root: Path, **options: Any) -> list[str]:
    result = run("backup_verify", backup_root=str(root), fail_on_problems=False, **options)
    [backup] = result["backups"]
    return [*backup["problems"], *backup["backup_problems"]]


@pytest.mark.parametrize("modules", [WHOLE, PART_BY_PART])
def test_an_honest_backup_is_complete_and_opens(
    modules: tuple[str, ...], root: Path, owner: KeyPair, lying: Server, tmp_path: Path
) -> None:
    committed = backed_up(root, owner, modules)
    assert (committed["status"], committed["problems"]) == ("complete", [])
    (tmp_path / "key.txt").write_text(owner.private)
    assert verified(root) == verified(root, identity_file=str(tmp_path / "key.txt")) == []


def _other_certificate(lying: Server, *, key: bool = True) -> None:
    [export] = lying.exports.values()
    if not key:
        del export["pfx"], export["password"]
        export["error"] = "it has no key"
    export["cer"] = base64.b64encode(make_certificate().certificate.public_bytes(serialization.Encoding.DER)).decode()


def _other_key(lying: Server) -> None:
    [export], other = lying.exports.values(), make_certificate()
    export.update(pfx=base64.b64encode(other.pfx).decode(), password=other.pfx_password)


@pytest.mark.parametrize("reported", ["9999-12-31T12:59:59.9999999Z", "never"])
def test_the_times_of_a_certificate_are_its_own_whatever_the_server_tells(
    root: Path, owner: KeyPair, lying: Server, tmp_path: Path, reported: str
) -> None:
    """.NET east of UTC reports the first of one without expiry: it cuts off local times after the year 9999."""
    left = datetime.datetime(9999, 12, 31, 22, tzinfo=datetime.UTC) - datetime.datetime.now(datetime.UTC)
    endless = make_certificate(dataclasses.replace(CURRENT, ends=left))
    vars(lying).update(vars(Server(endless)))
    lying.certificates[0].update(not_after=reported)
    committed = backed_up(root, owner)
    assert (committed["status"], committed["problems"]) == ("complete", [])
    manifest = BackupStore(str(root), HOST).latest_complete()
    assert manifest
    assert manifest["certificates"][0]["not_after"].startswith("9999-12-31T2")
    (tmp_path / "key.txt").write_text(owner.private)
    assert verified(root, identity_file=str(tmp_path / "key.txt")) == []


LIES: dict[str, tuple[Callable[[Server], Any], str]] = {
    "NaN": (lambda lying: lying.described["installation"].update(extra=float("nan")), "NaN is not a number"),
    "depth": (
        lambda lying: lying.described["installation"].update(extra=json.loads("[" * 70 + "]" * 70)),
        "more than 64 deep",
    ),
    "time": (lambda lying: lying.described["records"][3].update(created="yesterday"), "is no time"),
    "certificate": (_other_certificate, "is not the certificate of its PFX"),
    "certificate without key": (
        lambda lying: _other_certificate(lying, key=False),
        "another certificate than its name says",
    ),
    "key": (_other_key, "holds another one"),
    "subject": (lambda lying: lying.certificates[0].update(subject="CN=other"), "another subject of certificate"),
}


@pytest.mark.slow
@pytest.mark.parametrize("lie", LIES)
def test_what_no_restore_would_open_makes_the_backup_incomplete_and_is_said(
    root: Path, owner: KeyPair, lying: Server, tmp_path: Path, lie: str
) -> None:
    lie_with, words = LIES[lie]
    lie_with(lying)
    committed = backed_up(root, owner)
    assert committed["status"] == "incomplete"
    assert any(words in problem for problem in committed["problems"])
    assert any(words in problem for problem in verified(root))
    assert BackupStore(str(root), HOST).latest_complete() is None


def test_another_certificate_under_a_name_does_not_come_into_the_backup(
    root: Path, owner: KeyPair, lying: Server
) -> None:
    _other_certificate(lying)
    backed_up(root, owner)
    [artifact] = root.rglob("certificates.zip.age")
    assert b"PFX" not in owner.open(artifact.read_bytes())
    assert f"{next(iter(lying.exports))}.cer".encode() not in owner.open(artifact.read_bytes())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, [], {}, 7])
def test_a_version_that_is_none_never_makes_a_manifest_that_cannot_be_read(
    root: Path, owner: KeyPair, lying: Server, value: Any
) -> None:
    lying.described["installation"]["version"] = value
    result = backed_up(root, owner)
    assert result["failed"]
    assert result["msg"].strip()
    assert BackupStore(str(root), HOST).ids() == []


@pytest.mark.parametrize("part", ["exports", "secrets"])
def test_an_export_that_is_not_json_as_a_backup_has_it_is_refused_in_a_sentence(
    root: Path, owner: KeyPair, lying: Server, part: str
) -> None:
    setattr(lying, part, {"x": float("nan")})
    assert "What ams1 sent is not used: NaN is not a number" in backed_up(root, owner)["msg"]
    setattr(lying, part, [])
    assert "must be an object" in backed_up(root, owner)["msg"]


def test_a_verification_without_a_key_sees_a_time_of_a_certificate_that_is_none(
    root: Path, owner: KeyPair, lying: Server
) -> None:
    backed_up(root, owner)
    assert verified(root) == []
    [path] = root.rglob("manifest.json")
    manifest = copy.deepcopy(json.loads(path.read_bytes()))
    manifest["certificates"][0]["not_before"] = "2026-99-01T00:00:00Z"
    path.write_bytes(manifest_module.to_bytes(manifest | {"checksum": manifest_module.checksum_of(manifest)}))
    assert "a time of its certificates is no time" in verified(root)[0]


@pytest.mark.slow
def test_a_server_that_sends_more_than_it_announced_is_refused(root: Path, owner: KeyPair, lying: Server) -> None:
    lying.described["records"][4].update(file_record("config/db/ams.mdf", bytes(66 * 1024**2)))
    lying.contents[1] = bytes(66 * 1024**2)
    refused = backed_up(root, owner, expected_bytes=1024**2 - 100)
    assert "The target announces 6 files and folders with 692" in refused["msg"]
    assert BackupStore(str(root), HOST).ids() == []
    assert backed_up(root, owner, expected_bytes=1024**2 + 100)["status"] == "complete"


# ---- secrets of a cluster, and secrets that are not in use ----

DOMAIN = domain_secret("O:DAD:(A;;DC;;;WD)(A;;CCDC;;;DA)(A;;CCDC;;;S-1-5-21-1-2-3-1104)")["Data"]
OF_OTHERS = {"mode": 3, "error": "The specified data could not be decrypted.", "protected": DOMAIN}
LOCKED = {"mode": 1, "error": "Key not valid for use in specified state."}


def opened(root: Path, owner: KeyPair) -> list[str]:
    """What a verification with the key finds."""
    (root.parent / "key.txt").write_text(owner.private)
    return verified(root, identity_file=str(root.parent / "key.txt"))


@pytest.mark.slow
def test_a_secret_that_other_accounts_of_the_domain_open_makes_no_backup_incomplete(
    tmp_path: Path, owner: KeyPair, lying: Server
) -> None:
    lying.secrets = {"Email.Password": OF_OTHERS}
    done = backed_up(tmp_path, owner)
    assert (done["status"], done["problems"]) == ("complete", [])
    (secret,) = done["secrets"]
    assert (secret["exported"], secret["decryptable_by"]) == (False, ["DA", "S-1-5-21-1-2-3-1104"])
    assert opened(tmp_path, owner) == []


def test_why_a_secret_of_the_domain_was_not_decrypted_is_said_and_not_guessed(
    root: Path, owner: KeyPair, lying: Server
) -> None:
    lying.secrets = {"Email.Password": OF_OTHERS | {"error": "The specified domain could not be contacted."}}
    common = {"backup_root": str(root), "recipients": [owner.public]}
    opened = run("backup_commit", state="opened", inventory={"x": "y"}, **common)
    (notice,) = run("backup_export", backup_id=opened["backup_id"], **common)["notices"]
    assert "this run could not decrypt it: The specified domain could not be contacted. " in notice
    for words in ("Domain Admins, S-1-5-21-1-2-3-1104 can decrypt it", "delegates", "CredSSP"):
        assert words in notice


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "settings", "status"),
    [
        ("Email.Password", {"Email.Host": "smtp.example"}, "incomplete"),
        ("Email.Password", {"Email.Host": ""}, "complete"),
        ("Email.Password", {"Email.Host": "smtp.example", "Email.UseDefaultCredentials": "True"}, "complete"),
        ("Authentication.Oidc.Secret", {"Authentication.Mode": "1"}, "incomplete"),
        ("Authentication.Oidc.Secret", {"Authentication.Mode": "Iwa"}, "complete"),
        ("Authentication.Oidc.Secret", {}, "complete"),
        ("DataProtection.Certificates[0].Secret", {"DataProtection.Certificates[0].Thumbprint": "held"}, "complete"),
        ("DataProtection.Certificates[1].Secret", {"DataProtection.Certificates[0].Thumbprint": "held"}, "incomplete"),
        ("DataProtection.Certificates[0].Secret", {"DataProtection.Certificates[0].Thumbprint": "AB"}, "incomplete"),
    ],
)
def test_a_lost_secret_makes_a_backup_incomplete_only_where_it_is_needed(
    tmp_path: Path,
    owner: KeyPair,
    lying: Server,
    certificate: TestCertificate,
    path: str,
    settings: dict[str, str],
    status: str,
) -> None:
    lying.secrets = {path: LOCKED}
    lying.settings = {
        place: certificate.thumbprint.lower() if value == "held" else value for place, value in settings.items()
    }
    done = backed_up(tmp_path, owner)
    assert done["status"] == status, done["problems"]
    is_entered = not path.startswith("DataProtection")
    assert all(("must be entered again" in problem) is is_entered for problem in done["problems"])
    if status == "complete":
        assert opened(tmp_path, owner) == []


def test_a_secret_of_the_domain_that_names_nobody_is_lost_where_it_does_not_open(
    tmp_path: Path, owner: KeyPair, lying: Server
) -> None:
    lying.secrets = {"Email.Password": OF_OTHERS | {"protected": "bm90aGluZw=="}}
    assert backed_up(tmp_path, owner)["status"] == "incomplete"


def test_a_key_that_a_backed_up_configuration_holds_is_not_lost_until_a_person_says_so(
    tmp_path: Path, owner: KeyPair, lying: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wrapped, other = "CD" * 20, "EF" * 20
    lying.secrets = {"DataProtection.Certificates[0].Secret": OF_OTHERS}
    lying.settings = {"DataProtection.Certificates[0].Thumbprint": wrapped.lower()}
    assert backed_up(tmp_path, owner)["status"] == "complete"
    keys = KeyIndex(str(tmp_path))
    keys.refuse_held([other], keys_lost=False)
    keys.refuse_held([wrapped, other], keys_lost=True)
    with pytest.raises(AccessManagerError) as caught:
        keys.refuse_held([other, wrapped], keys_lost=False)
    needed = ("EnableCertificateSynchronization is true", "valid Enterprise licence")
    for words in (wrapped, "Domain Admins", "start the service once", "configuration_keys_lost", *needed):
        assert words in str(caught.value)
    allowed = [f"backup@example.com {ssh_key(tmp_path_factory.mktemp('keys')).public}"]
    strict = KeyIndex(str(tmp_path), Trust.of({"allowed_signers": allowed}))
    with pytest.raises(AccessManagerError, match=f"{wrapped}.*No allowed signer signed that backup"):
        strict.refuse_held([other, wrapped], keys_lost=False)
    assert not strict.names(wrapped), "a backup that is not accepted names no certificate"


SHARED = ("ams.example.com", "mail.example.com", "autodiscover.example.com")
HOSTNAME = {"Hosting": {"HttpSys": {"Hostname": "AMS.example.com"}}}


@pytest.mark.parametrize(
    ("settings", "names", "guessed"),
    [
        ({}, [], ["ams.example.com"]),
        (HOSTNAME, ["ams.example.com"], []),
        ({"Authentication": {"Mode": "Oidc"}} | HOSTNAME, [], []),
        ({"Authentication": {"Mode": 1}}, [], []),
    ],
)
def test_before_an_upgrade_the_directory_is_asked_for_the_one_name_that_needs_an_spn(
    root: Path, owner: KeyPair, lying: Server, settings: dict[str, Any], names: list[str], guessed: list[str]
) -> None:
    bound = tls_certificate(*SHARED)
    binding = plain_binding("address", "0.0.0.0:443", bound["thumbprint"], ACCESS_MANAGER, "My")
    lying.described["state"] |= {"tls_certificates": [bound], "http_sys": {"bindings": [binding], "reservations": []}}
    lying.contents[0] = json.dumps(settings).encode()
    lying.described["records"][3] = file_record("config/appsettings.json", lying.contents[0])
    opened = run(
        "backup_commit", state="opened", backup_root=str(root), inventory={"x": "y"}, recipients=[owner.public]
    )
    exported = run(
        "backup_export",
        backup_root=str(root),
        recipients=[owner.public],
        backup_id=opened["backup_id"],
        expected_bytes=99,
    )
    installation = {"computer_name": "AMS1", "service_sid": "S-1-5-18"}
    name = "See whether the directory is as the next version needs it"
    task = task_of_role("pre_upgrade", name, "verify_and_mark.yml")
    asked = rendered(
        task["lithnet.access_manager.directory_info"]["server"],
        {"backup_installation": installation, "backup_exported": exported},
    )
    assert asked == {
        "computer": "AMS1",
        "service_account": "S-1-5-18",
        "web_names": names,
        "guessed_names": guessed,
    }
    survey = Survey.of(asked)
    assert [*survey.owners] == names + guessed
    for owners in survey.owners.values():
        owners.append("EXCH01$")
    assert ("setspn -D" in " ".join(survey.problems())) is bool(names)
