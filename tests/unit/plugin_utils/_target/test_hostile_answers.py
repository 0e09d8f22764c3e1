# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server answers is only data: nothing that it says is done on the controller, on other hosts, or to other
backups."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair
from support.playbook import PlaybookRun, results_of
from support.plays import failure_of
from unit.encrypted_backups import encrypt_to, make
from unit.fleets import Fleet

pytestmark = pytest.mark.slow

TESTS = Path(__file__).resolve().parents[3]
EVIL, GOOD = "evil1", "good2"
BACKUP, RESTORE = "lithnet.access_manager.backup", "lithnet.access_manager.restore"


class Controller:
    """A controller with an inventory of a server that lies and one that does not."""

    def __init__(self, folder: Path, owner: KeyPair) -> None:
        self.fleet = Fleet(folder, owner)
        self.folder, self.owner, self.root = folder, owner, self.fleet.root

    def run(
        self, *playbooks: str, lies: dict[str, Any] | None = None, hosts: tuple[str, ...] = (EVIL,), **variables: Any
    ) -> PlaybookRun:
        """Runs playbooks after each other. lies: what the server that lies puts into its answers, by step."""
        return self.run_all(*playbooks, liars=dict.fromkeys(hosts, {}) | {EVIL: lies or {}}, **variables)

    def run_all(
        self,
        *playbooks: str,
        liars: dict[str, dict[str, Any]],
        own: dict[str, dict[str, Any]] | None = None,
        **variables: Any,
    ) -> PlaybookRun:
        """Runs playbooks after each other. liars: what each server puts into its answers, by its name and by step; own:
        what the inventory says of one server.
        """
        self.fleet.variables = variables
        hosts = {host: {"ansible_password": f"password of {host}"} | (own or {}).get(host, {}) for host in liars}
        plays = [{"import_playbook": playbook} for playbook in playbooks]
        return self.fleet.run(plays, liars, env={"ANSIBLE_HOST_KEY_CHECKING": "0"}, hosts=hosts)

    def backups(self, host: str = EVIL) -> list[Path]:
        return self.fleet.backups(host)

    def calls(self) -> list[dict[str, str]]:
        """The calls that servers got: host, remote_user, password and step."""
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]


@pytest.fixture
def controller(tmp_path: Path, owner: KeyPair) -> Controller:
    return Controller(tmp_path, owner)


@pytest.fixture
def attacker() -> Iterator[tuple[int, list[Any]]]:
    """A port that is listened to, and who came."""
    came: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            while True:
                try:
                    client, address = listener.accept()
                except OSError:
                    return
                came.append(address)
                client.close()

        threading.Thread(target=listen, daemon=True).start()
        yield listener.getsockname()[1], came


def facts(**variables: Any) -> dict[str, Any]:
    return {"installation_info": {"ansible_facts": variables}}


def published(run: PlaybookRun) -> dict[str, Any]:
    """The result of the step that published a backup."""
    return next(result for result in results_of(run, "backup_commit") if "content_digest" in result)


def test_an_honest_server_is_backed_up_and_a_restore_would_change_nothing(controller: Controller) -> None:
    ran = controller.run(BACKUP, RESTORE, hosts=(EVIL, GOOD))
    assert ran.rc == 0, ran.output
    for host in (EVIL, GOOD):
        (backup,) = controller.backups(host)
        assert sorted(path.name for path in backup.glob("*.age")) == [
            "certificates.zip.age",
            "config.zip.age",
            "secrets.json.age",
        ]
    assert {result["would_change"] for result in results_of(ran, "config_restore") if "would_change" in result} == {
        False
    }


def test_a_host_that_a_detached_run_adds_runs_no_command_on_the_controller(
    controller: Controller, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    connection = {
        "ansible_connection": "ssh",
        "ansible_shell_type": "powershell",
        "ansible_ssh_common_args": f"-o ProxyCommand='touch {mark}'",
    }
    added = {"add_host": {"host_name": EVIL, "groups": [], "host_vars": connection}}
    ran = controller.run(
        BACKUP, lies={"backup_export:live": {"steady": False, "attempts": 3}, "backup_export:answer": added}
    )
    assert not mark.exists()
    assert ran.rc == 0, ran.output
    assert published(ran)["status"] == "complete"
    assert "run_info:collect" in [call["step"] for call in controller.calls()]


def test_another_host_is_not_moved_to_an_address_that_a_server_names(controller: Controller) -> None:
    added = {"add_host": {"host_name": GOOD, "groups": [], "host_vars": {"ansible_host": "attacker.example"}}}
    lies = {"backup_export:live": {"steady": False, "attempts": 3}, "backup_export:answer": added}
    ran = controller.run(BACKUP, lies=lies, hosts=(EVIL, GOOD), backup_stop_service="always")
    assert ran.rc == 0, ran.output
    assert "attacker.example" not in {call["host"] for call in controller.calls()}
    assert {call["host"] for call in controller.calls() if call["password"] == f"password of {GOOD}"} == {GOOD}


def test_a_server_does_not_choose_whose_backup_it_is_given(controller: Controller) -> None:
    ran = controller.run(BACKUP, RESTORE, lies=facts(restore_from_host=GOOD), hosts=(EVIL, GOOD))
    assert ran.rc == 0, ran.output
    restored = {one.host: one.result["backup"] for one in ran.results if "would_change" in one.result}
    assert restored[EVIL].endswith(f" of {EVIL}")
    assert restored[GOOD].endswith(f" of {GOOD}")


def test_a_server_does_not_have_its_good_backups_pruned(controller: Controller) -> None:
    for backup_id in ("20261120T020000Z", "20261121T020000Z"):
        make(BackupStore(str(controller.root), EVIL), backup_id, encrypt_to(controller.owner.public))
    before = controller.backups()
    assert len(before) == 2
    ran = controller.run(BACKUP, lies=facts(backup_keep={"last": 1}), backup_force=True)
    assert ran.rc == 0, ran.output
    assert set(before) < set(controller.backups())
    kept = controller.run(BACKUP, backup_force=True, backup_keep={"last": 1})
    assert kept.rc == 0, kept.output
    assert len(controller.backups()) == 1  # a rule that the operator sets counts


def test_a_server_does_not_choose_where_a_plan_is_written(controller: Controller, tmp_path: Path) -> None:
    profile, plan = tmp_path / ".bashrc", tmp_path / "plan.md"
    profile.write_text("export PS1=here\n")
    liars = {EVIL: facts(restore_plan_markdown=str(profile)), GOOD: {}}
    ran = controller.run_all(BACKUP, RESTORE, liars=liars, own={GOOD: {"restore_plan_markdown": str(plan)}})
    assert ran.rc == 0, ran.output
    assert profile.read_text() == "export PS1=here\n"
    assert plan.read_text().startswith("# ")  # where the operator says


def test_a_server_does_not_choose_the_directory_that_gets_a_password(
    controller: Controller, attacker: tuple[int, list[Any]]
) -> None:
    port, came = attacker
    directory = {
        "access_manager_directory_user": "CN=reader",
        "access_manager_directory_password": "password of the directory",
        "access_manager_directory_servers": ["localhost"],
    }
    named = {
        "backup_directory_census": True,
        "backup_directory_servers": ["127.0.0.1"],
        "access_manager_directory_port": port,
    }
    ran = controller.run(BACKUP, lies=facts(**named), **directory)
    assert came == []
    assert ran.rc == 0, ran.output
    controller.run(BACKUP, **directory | {"backup_directory_census": True, "access_manager_directory_port": port})
    assert came  # who is asked when the operator says so


def test_a_server_does_not_choose_where_its_backup_lies_or_that_it_is_clear(
    controller: Controller, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    named = {
        "access_manager_backup_root": str(elsewhere),
        "access_manager_encryption": "none",
        "access_manager_recipients": [],
    }
    ran = controller.run(BACKUP, lies=facts(**named))
    assert ran.rc == 0, ran.output
    assert list(elsewhere.iterdir()) == []
    (backup,) = controller.backups()
    assert sorted(path.suffix for path in backup.iterdir() if path.name != "manifest.json") == [".age", ".age", ".age"]


def test_no_key_that_ansible_acts_on_comes_through(controller: Controller) -> None:
    """Each step of a backup gives such keys, on a server of its own."""
    orders = {
        "ansible_facts": {"chosen": "by the server"},
        "add_host": {"host_name": "new", "groups": [], "host_vars": {}},
        "add_group": "new",
        "_ansible_no_log": False,
        "_ansible_verbose_always": True,
        "warnings": ["from the server"],
        "deprecations": [{"msg": "from the server", "version": "9"}],
        "exception": "from the server",
        "invocation": {"from": "the server"},
        "results": [{"from": "the server"}],
        "stdout": 7,
        "stderr": ["from the server"],
        "skipped": True,
        "unreachable": True,
        "failed_when_result": True,
    }
    parts = {"config": orders, "certificates": orders, "secrets": orders}
    lies = ("installation_info", orders), ("backup_export", orders | parts), ("backup_export:answer", orders | parts)
    liars = {f"evil-{number}": {step: lie} for number, (step, lie) in enumerate(lies)}
    liars["evil-2"] |= {"backup_export:live": {"steady": False, "attempts": 3}}  # so that there is a detached run
    ran = controller.run_all(BACKUP, liars=liars)
    assert ran.rc == 0, ran.output
    committed = results_of(ran, "backup_commit")
    assert [one["status"] for one in committed if "content_digest" in one] == ["complete"] * len(liars)
    assert all(controller.backups(host) for host in liars)
    assert "the server" not in ran.output
    assert "the server" not in (ran.folder / "results.jsonl").read_text()
    results = [one.result for one in ran.results if one.module.startswith("lithnet.access_manager")]
    assert not {"ansible_facts", "add_host", "add_group", "_ansible_verbose_always"} & {
        key for result in results for key in result
    }


def test_text_of_a_server_controls_no_terminal_and_forges_no_line(controller: Controller) -> None:
    odd = "\x1b[2J\x07\x9b31m\u202e\nok: [good2]"
    lies = {
        "installation_info": {
            "computer_name": odd,
            "unended_restores": [{"run_id": odd, "folder": odd, "kept": "", "result": ""}],
        },
        "backup_export": {"failed": True, "msg": odd},
    }
    ran = controller.run(BACKUP, lies=lies)
    assert ran.rc == 2
    assert "\\x1b[2J" in ran.output
    assert not {letter for letter in odd if letter not in "\n" and not letter.isprintable()} & set(ran.output)
    assert "ok: [good2]" not in ran.output.splitlines()


def test_an_odd_answer_is_a_sentence_and_no_traceback(controller: Controller) -> None:
    keys = ("state", "msg")
    ran = controller.run_all(BACKUP, liars={f"evil-{key}": {"installation_info": {key: [[[]]]}} for key in keys})
    assert ran.rc == 2
    assert "Traceback" not in ran.output
    for key in keys:
        sentence = f"The answer of evil-{key} is not used: '{key}' is a list, and must be"
        assert sentence in failure_of(ran, f"evil-{key}")
        assert sentence in ran.output
