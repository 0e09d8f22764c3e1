# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipes of docs/hooks.md do what they say, against servers of HTTP and SMTP."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.backups import KeyPair
from support.plays import BACKUP
from unit.fleets import DEAD, Fleet

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[3] / "docs" / "hooks.md"


class Http(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.came.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                mail = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.came.append(mail.decode())  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


@contextmanager
def serving(server: Any) -> Iterator[tuple[int, list[Any]]]:
    """Serves within the block; yields the port and what came."""
    server.came = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], server.came
    finally:
        server.shutdown()
        server.server_close()


def recipes() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_each_recipe_says_what_happened(tmp_path: Path, owner: KeyPair) -> None:
    before, after, *failed = recipes()
    for moment, text in {"before": before, "after": after, "failed": "".join(failed)}.items():
        (tmp_path / f"{moment}.yml").write_text(text)
    fleet = Fleet(tmp_path, owner)
    with (
        serving(ThreadingHTTPServer(("127.0.0.1", 0), Http)) as (port, requests),
        serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)) as (smtp_port, mails),
    ):
        base = f"http://127.0.0.1:{port}"
        variables = {
            "ntfy_url": f"{base}/topic",
            "teams_url": f"{base}/teams",
            "mail_url": f"smtp://127.0.0.1:{smtp_port}",
            "mail_from": "ansible@example.com",
            "mail_to": "night@example.com",
        } | {f"backup_{moment}_tasks": str(tmp_path / f"{moment}.yml") for moment in ("before", "after", "failed")}
        own = {name: {"healthchecks_url": f"{base}/{name}"} for name in ("ams1", "ams2")}
        run = fleet.run(BACKUP, {"ams1": {}, "ams2": DEAD}, extra=variables, hosts=own, env={"NO_PROXY": "127.0.0.1"})
    came = {path: (headers, body) for path, headers, body in requests}
    expected = {"/ams1/start", "/ams2/start", "/ams1", "/ams2/fail", "/topic", "/teams"}
    assert came.keys() == expected, run.output
    [backup] = fleet.backups("ams1")
    assert re.fullmatch(rf"complete {backup.name}, \d+ s", came["/ams1"][1])
    said = "There is no connection to ams2"
    assert said in came["/ams2/fail"][1]
    assert came["/topic"][0]["Title"] == "Access Manager: ams2 unreachable"
    assert said in came["/topic"][1]
    [card] = json.loads(came["/teams"][1])["attachments"]
    assert said in card["content"]["body"][0]["text"]
    [mail] = mails
    assert "Subject: Access Manager: ams2 unreachable" in mail
    assert said in mail
