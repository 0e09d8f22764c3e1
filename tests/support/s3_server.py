# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real S3 server with object lock on this machine: SeaweedFS, with users of different rights."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USERS = {
    "admin": ["Admin", "Read", "Write", "List", "Tagging"],
    "copier": ["Read:copies", "Write:copies", "List:copies"],
    "writer": ["Write:copies"],
}
"""What each user may do; the name is the access key too. The writer may do nothing but write."""

_START_SECONDS = 90


@dataclass(frozen=True)
class S3Server:
    endpoint: str

    def options(self, user: str = "copier", bucket: str = "copies", **more: Any) -> dict[str, Any]:
        """A destination of copies, or a source, of one of the users."""
        credentials = {"access_key": user, "secret_key": f"{user}-secret", "region": "us-east-1"}
        return {"name": "vault", "kind": "s3", "bucket": bucket, "endpoint": self.endpoint} | credentials | more

    def client(self, user: str = "admin") -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=user,
            aws_secret_access_key=f"{user}-secret",
        )

    def make_bucket(self, name: str, *, locked: bool = True, days: int | None = 30, mode: str = "COMPLIANCE") -> None:
        """A bucket with object lock, and a default retention."""
        client = self.client()
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=locked)
        if locked and days:
            rule = {"DefaultRetention": {"Mode": mode, "Days": days}}
            client.put_object_lock_configuration(
                Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
            )


def program() -> str | None:
    """SeaweedFS, in the environment of these tests or elsewhere; None when it is not installed."""
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else shutil.which("weed")


@contextmanager
def serving(folder: Path) -> Iterator[S3Server]:
    """A server with its data below a folder, until the end of the block."""
    weed = program()
    assert weed
    identities = [
        {"name": name, "actions": actions, "credentials": [{"accessKey": name, "secretKey": f"{name}-secret"}]}
        for name, actions in USERS.items()
    ]
    (folder / "users.json").write_text(json.dumps({"identities": identities}))
    ports = dict(zip(("master", "volume", "filer", "s3"), _free_ports(), strict=False))
    arguments = [f"-{name}.port={port}" for name, port in ports.items()]
    arguments += [f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", f"-s3.config={folder}/users.json"]
    arguments += ["-volume.max=50", "-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [weed, "server", *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
        )
        try:
            server = S3Server(f"http://127.0.0.1:{ports['s3']}")
            _wait_for(server, process, folder / "log")
            yield server
        finally:
            process.kill()
            process.wait()


def _wait_for(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with suppress(Exception):
            server.client().list_buckets()
            return
        time.sleep(0.5)
    raise AssertionError(f"SeaweedFS does not answer:\n{log.read_text(errors='replace')[-3000:]}")


def _free_ports() -> list[int]:
    """Four ports that are free, with the ports 10,000 higher, which SeaweedFS takes for gRPC."""
    found: list[int] = []
    while len(found) < 4:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port > 55000 or port in found:
                continue
            with suppress(OSError):
                other.bind(("127.0.0.1", port + 10000))
                found.append(port)
    return found
