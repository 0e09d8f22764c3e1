# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many servers at night: a playbook means the same under each strategy, in batches, with limits and with tags."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.backups import KeyPair, age_key
from support.certificates import TestCertificate, make_certificate
from support.playbook import REPOSITORY, PlaybookRun
from support.plays import BACKUP, failure_of, statuses
from unit import encrypted_backups
from unit.fleets import DEAD, Fleet, play, tasks_of_role

pytestmark = pytest.mark.slow

HONEST: dict[str, Any] = {}
SPOILED = {"backup_export": {"certificates": {"certificates": [], "envelope": "spoiled"}}}
FREE = {"ANSIBLE_STRATEGY": "free"}
UNREACHABLE, FAILED = 4, 2


@pytest.fixture
def fleet(tmp_path: Path, owner: KeyPair) -> Fleet:
    return Fleet(tmp_path, owner)


def tables(run: PlaybookRun) -> list[dict[str, str]]:
    """The rows of each table by their host."""
    shown = [one.result["msg"] for one in run.results if "Show what became" in one.task and one.status == "ok"]
    return [{line.split()[0]: line for line in table[1:]} for table in shown]


def test_one_table_is_true_in_batches_under_free_and_a_dead_server_makes_one_short_error(fleet: Fleet) -> None:
    servers = {"ams1": HONEST, "ams2": DEAD, "ams3": HONEST}
    run = fleet.run(BACKUP, servers, env=FREE, extra={"access_manager_serial": 1})
    assert run.rc == UNREACHABLE, run.output
    [table] = tables(run)
    assert [line.split()[1] for line in table.values()] == ["complete", "unreachable", "complete"]
    assert "There is no connection to ams2" in table["ams2"]
    assert len(fleet.backups("ams1")) == len(fleet.backups("ams3")) == 1
    recap = re.search(r"ams2 .*unreachable=(\d+) +failed=(\d+).*rescued=(\d+)", run.stdout)
    assert recap and recap.groups() == ("1", "0", "0")
    errors = re.findall(r"^(?:fatal: |\[ERROR\]|\[WARNING\]: .*ams2).*", run.output, re.MULTILINE)
    assert len(errors) == 1, run.output
    assert len(errors[0]) < 400
    assert run.stdout.index("TASK [lithnet.access_manager.backup : Show what became") < run.stdout.index("fatal: ")


def errors_of(run: PlaybookRun, host: str) -> list[str]:
    """What is printed of a host as an error or a warning."""
    starts = rf"fatal: \[{host}\]|\[ERROR\]: .*{host}|\[WARNING\]: .*{host}"
    return re.findall(rf"^(?:{starts}).*", run.output, re.MULTILINE)


@pytest.mark.parametrize(("playbook", "has_table"), [("doctor", True), ("migrate_check", False)])
def test_servers_that_are_not_reached_end_so_after_the_table_with_one_short_error_each(
    fleet: Fleet, playbook: str, has_table: bool
) -> None:
    extra = {"access_manager_serial": 1}
    run = fleet.run(f"lithnet.access_manager.{playbook}", {"ams1": DEAD, "ams2": DEAD}, env=FREE, extra=extra)
    assert run.rc == UNREACHABLE, run.output
    for host in ("ams1", "ams2"):
        assert "unreachable" in statuses(run, host)
        assert "failed" not in statuses(run, host)
        [error] = errors_of(run, host)
        assert len(error) < 400
        assert f"There is no connection to {host}" in error
    if has_table:
        [shown] = [one for one in run.results if "Show what was found" in one.task and one.status == "ok"]
        rows = shown.result["msg"]
        assert [any(row.startswith(host) and "no connection" in row for row in rows) for host in ("ams1", "ams2")]
        assert run.stdout.index("HOST  ") < run.stdout.index("fatal: ")


def test_the_role_doctor_is_right_in_a_play_of_one_s_own(fleet: Fleet) -> None:
    after = {"name": "After", "ansible.builtin.debug": {"msg": "{{ access_manager_result.status }}"}}
    own = play("doctor", ignore_unreachable=True, serial=1)
    own["tasks"] += [after]
    strict = play("doctor", serial=1, max_fail_percentage=0)
    run = fleet.run([own], {"ams1": DEAD, "ams2": DEAD}, env=FREE)
    assert [one.result["msg"] for one in run.results if one.task == "After"] == ["unreachable"] * 2, run.output
    shown = [one.result["msg"] for one in run.results if "Show what was found on this host" in one.task]
    assert [{row.split()[0] for row in rows} & {"ams1", "ams2"} for rows in shown] == [{"ams1"}, {"ams2"}]
    stopped = fleet.run([strict], {"ams1": DEAD, "ams2": DEAD})
    assert "unreachable" in statuses(stopped, "ams1")
    assert statuses(stopped, "ams2") == set(), stopped.output


def test_ansible_s_own_keywords_see_who_is_unreachable(fleet: Fleet) -> None:
    """The second play stops after its first batch, in which one of two servers fails."""
    after = {"name": "After", "ansible.builtin.debug": {"msg": "{{ access_manager_result.status }}"}}
    ignoring = play("backup", ignore_unreachable=True, hosts="ams0,ams1")
    ignoring["tasks"] += [after]
    strict = play("backup", serial=2, max_fail_percentage=25, hosts="ams3,ams1,ams2")
    run = fleet.run([ignoring, strict], {"ams0": DEAD, "ams1": HONEST, "ams2": HONEST, "ams3": SPOILED})
    said = {one.host: one.result["msg"] for one in run.results if one.task == "After"}
    assert said == {"ams0": "unreachable", "ams1": "complete"}
    assert "unreachable" in statuses(run, "ams0")
    assert run.rc == FAILED, run.output
    assert fleet.backups("ams2") == []


def hooks(fleet: Fleet, role: str) -> dict[str, str]:
    """Files of tasks that write down when they are carried out, and with which result."""
    files = {}
    for moment in ("before", "after", "failed"):
        line = f"{moment} {{{{ inventory_hostname }}}} {{{{ access_manager_result | to_json }}}}\n"
        path = fleet.folder / f"{role}_{moment}.yml"
        task = {
            "ansible.builtin.copy": {
                "content": line,
                "dest": f"{fleet.folder}/{role}-{moment}-{{{{ inventory_hostname }}}}",
                "mode": "0600",
            },
            "name": "Hook",
            "delegate_to": "localhost",
            "vars": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        }
        path.write_text(json.dumps([task]))
        files[f"{role}_{moment}_tasks"] = str(path)
    return files


def noted(fleet: Fleet, role: str) -> dict[str, dict[str, Any]]:
    """What the hooks of a role saw, by their moment and host."""
    return {
        path.name.removeprefix(f"{role}-"): json.loads(path.read_text().split(" ", 2)[2])
        for path in fleet.folder.glob(f"{role}-*")
    }


def test_hooks_run_before_after_and_on_failure_with_the_result_and_a_workflow_is_given_it(fleet: Fleet) -> None:
    servers = {"ams1": HONEST, "ams2": DEAD, "ams3": SPOILED}
    run = fleet.run(BACKUP, servers, extra=hooks(fleet, "backup"), env={"ANSIBLE_SHOW_CUSTOM_STATS": "1"})
    seen = noted(fleet, "backup")
    moments = {"before-ams1", "before-ams2", "before-ams3", "after-ams1", "failed-ams2", "failed-ams3"}
    assert seen.keys() == moments, run.output
    [backup] = fleet.backups("ams1")
    done = seen["after-ams1"]
    assert (done["status"], done["id"], done["path"]) == ("complete", backup.name, str(backup))
    assert done.keys() >= {"size", "downtime_ms", "problems", "seconds", "failure"}
    assert seen["failed-ams2"]["status"] == "unreachable"
    assert seen["failed-ams3"]["status"] == "failed"
    assert seen["failed-ams3"]["failure"] == failure_of(run, "ams3")
    assert re.search(rf"access_manager_results.*{backup.name}", run.stdout, re.DOTALL)


SILENT = {
    "ansible.builtin.command": {"argv": ["true"]},
    "delegate_to": "localhost",
    "failed_when": True,
    "vars": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
}


def test_a_backup_is_not_made_when_the_tasks_before_it_fail(fleet: Fleet) -> None:
    tasks = {"ams1": {"ansible.builtin.fail": {"msg": "not tonight"}}, "ams2": SILENT}
    said = {"ams1": "not tonight", "ams2": "A task failed without saying why."}
    hosts = {}
    for host, task in tasks.items():
        file = fleet.folder / f"{host}.yml"
        file.write_text(json.dumps([{"name": "No"} | task]))
        hosts[host] = {"backup_before_tasks": str(file)}
    run = fleet.run(BACKUP, dict.fromkeys(tasks, HONEST), hosts=hosts)
    assert run.rc == FAILED, run.output
    [table] = tables(run)
    for host, sentence in said.items():
        failed = [one.result.get("msg") for one in run.results if (one.host, one.status) == (host, "failed")]
        assert sentence in failed
        assert sentence in table[host]
        assert fleet.backups(host) == []
    assert not (fleet.folder / "calls.jsonl").exists()


def test_a_task_before_a_backup_that_does_not_reach_its_server_leaves_a_record(fleet: Fleet) -> None:
    """And where it does, the record is that of the run alone."""
    (fleet.folder / "on_server.yml").write_text(json.dumps([{"name": "There", "ansible.builtin.raw": "hostname"}]))
    servers = {"ams1": HONEST, "ams2": DEAD}
    run = fleet.run(BACKUP, servers, extra={"backup_before_tasks": str(fleet.folder / "on_server.yml")})
    assert run.rc == UNREACHABLE, run.output
    found = {
        host: [json.loads(line) for line in (fleet.root / host / ".runs.jsonl").read_text().splitlines()]
        for host in servers
    }
    assert [one["outcome"] for one in found["ams1"]] == ["complete"]
    assert [one["outcome"] for one in found["ams2"]] == ["failed"]
    assert "one of them did not reach the server" in found["ams2"][0]["problems"][0]
    [table] = tables(run)
    assert "the host left the play" in table["ams2"]


def test_what_pre_upgrade_and_rollback_do_around_a_backup_and_a_restore_is_within_the_tasks_of_the_user(
    fleet: Fleet,
) -> None:
    """A restore without a marked backup is the failure of the one; a verification without the key that of the other."""
    extra = hooks(fleet, "backup") | hooks(fleet, "restore")
    for playbook, role, said in (
        ("rollback", "restore", "No backup protects an upgrade"),
        ("pre_upgrade", "backup", "protects no upgrade"),
    ):
        wrong = {} if playbook == "rollback" else {"pre_upgrade_identity_file": str(fleet.folder / "wrong.txt")}
        (fleet.folder / "wrong.txt").write_text(age_key().private)
        (fleet.folder / "wrong.txt").chmod(0o600)
        run = fleet.run(f"lithnet.access_manager.{playbook}", {"ams1": HONEST}, extra=extra | wrong)
        assert run.rc == FAILED, run.output
        seen = noted(fleet, role)
        assert seen.keys() == {"before-ams1", "failed-ams1"}, run.output
        assert said in seen["failed-ams1"]["failure"]
    assert seen["failed-ams1"]["status"] == "unverified"
    run = fleet.run("lithnet.access_manager.pre_upgrade", {"ams1": HONEST}, extra=extra)
    assert run.rc == 0, run.output
    assert noted(fleet, "backup")["after-ams1"]["status"] == "complete"
    assert (fleet.root / "ams1" / ".pre-upgrade.json").exists()


def test_a_notification_that_fails_hides_neither_the_reason_nor_that_a_server_is_not_reached(fleet: Fleet) -> None:
    (fleet.folder / "no.yml").write_text(json.dumps([{"name": "No", "ansible.builtin.fail": {"msg": "no network"}}]))
    run = fleet.run(BACKUP, {"ams1": DEAD}, extra={"backup_failed_tasks": str(fleet.folder / "no.yml")})
    assert run.rc == UNREACHABLE, run.output
    [table] = tables(run)
    assert table["ams1"].split()[1] == "unreachable"
    assert "There is no connection to ams1" in table["ams1"]


def test_limits_choose_whose_backups_are_verified_and_pruned(fleet: Fleet) -> None:
    servers = {"ams1": HONEST, "ams2": HONEST}
    assert fleet.run(BACKUP, servers, "--tags", "backup").rc == 0
    (fleet.folder / "calls.jsonl").unlink()
    run = fleet.run("lithnet.access_manager.verify", servers, "--limit", "ams2", "--tags", "verify")
    assert run.rc == 0, run.output
    [verified] = [one.result for one in run.results if one.module.endswith("backup_verify")]
    assert [line.split()[0] for line in verified["table"][:-1]] == ["HOST", "ams2"]
    run = fleet.run("lithnet.access_manager.prune", servers, "--limit", "ams2", extra={"prune_keep": {"last": 1}})
    assert run.rc == 0, run.output
    assert {one.host for one in run.results if one.module.endswith("backup_prune")} == {"ams2"}
    assert not (fleet.folder / "calls.jsonl").exists(), "no server is asked"


def test_a_directory_that_does_not_answer_leaves_no_certificate_of_the_last_backup_out(
    fleet: Fleet, certificate: TestCertificate, owner: KeyPair
) -> None:
    """Its usages may say nothing: only the directory, or the last backup, names it."""
    store, lost = BackupStore(str(fleet.root), "ams1"), make_certificate()
    encryptor = encrypted_backups.encrypt_to(owner.public)
    encrypted_backups.make(store, "20261123T081500Z", encryptor, certificates=[certificate], without_key=[lost])
    extra = {
        "access_manager_directory_servers": ["dc1.invalid"],
        "access_manager_directory_user": "u",
        "access_manager_directory_password": "not-needed",
    }
    run = fleet.run(BACKUP, {"ams1": HONEST}, extra=extra)
    calls = map(json.loads, (fleet.folder / "calls.jsonl").read_text().splitlines())
    asked = {one["step"]: one["thumbprints"] for one in calls}
    assert {"installation_info", "backup_export:live"} <= asked.keys(), run.output
    assert asked["installation_info"] == asked["backup_export:live"] == [certificate.thumbprint]
    assert "The certificate that the directory publishes is not known" in run.output
    assert len(fleet.backups("ams1")) == 2


def test_a_database_for_which_the_service_must_not_stop_is_left_out_with_a_warning_and_makes_no_backup_each_night(
    fleet: Fleet,
) -> None:
    obstacle = {"kind": "account", "text": "It may not log on as a service (1069)."}
    logged = {"events": [{"id": 5037, "time": "2026-11-29T03:00:00.0000000Z"}], "error": ""}
    servers = {"ams1": {"installation_info": {"start_obstacles": [obstacle], "service_events": logged}}}
    found = []
    for _night in range(2):
        run = fleet.run(BACKUP, servers, extra={"backup_include_database": True})
        assert "The database is left out of backups" in run.output
        [table] = tables(run)
        found.append(table["ams1"].split()[1])
    assert found == ["complete", "unchanged"]
    assert "backup_export:live" in (fleet.folder / "calls.jsonl").read_text()
    [backup] = fleet.backups("ams1")
    manifest = json.loads((backup / "manifest.json").read_text())
    assert any("The database is left out" in one for one in manifest["health_warnings"])
    runs = (backup.parent / ".runs.jsonl").read_text().splitlines()
    assert all("The database is left out" in " ".join(json.loads(one)["health_warnings"]) for one in runs)
    assert all("event 5037" in " ".join(json.loads(one)["health_warnings"]) for one in runs)
    assert not any("event 5037" in one for one in manifest["health_warnings"]), "it says nothing of the backup"
    assert len(runs) == len(found)


@pytest.mark.parametrize("args", [["--tags", "nightly"], ["--skip-tags", "verify"], ["--skip-tags", "tagged"]])
def test_tags_that_leave_out_the_work_are_refused(fleet: Fleet, args: list[str]) -> None:
    run = fleet.run("lithnet.access_manager.verify", {"ams1": HONEST}, *args)
    assert run.rc == FAILED, run.output
    assert f"With {' '.join(args)} this playbook would do nothing. Its one tag is 'verify'" in run.output


def test_a_delegated_server_and_become_are_refused(fleet: Fleet) -> None:
    role = {"ansible.builtin.include_role": {"name": BACKUP, "apply": {"delegate_to": "ams1"}}, "name": "Delegated"}
    delegated = {"hosts": "localhost", "gather_facts": False, "tasks": [role]}
    variables = {"backup_root": str(fleet.root), "backup_recipients": [fleet.owner.public], "backup_failed_tasks": ""}
    run = fleet.run([delegated], {"ams1": HONEST}, extra=variables)
    assert "A task for localhost is delegated to ams1" in failure_of(run, "localhost")
    assert fleet.backups("localhost") == []
    assert list(fleet.root.iterdir()) == [], "no record lies under the name of another"
    become = fleet.run([play("backup", become=True)], {"ams1": HONEST})
    assert "become is set for ams1, and is not supported" in failure_of(become, "ams1")
    assert statuses(become, "ams1") >= {"failed"}
    assert "Make the backup" not in tasks_of_role(become, "ams1")


def test_no_module_runs_in_the_background(fleet: Fleet) -> None:
    modules = sorted(path.stem for path in (REPOSITORY / "plugins/modules").glob("*.py"))
    unattended = {"async": 60, "poll": 0, "ignore_errors": True}
    tasks = [{"name": name, f"lithnet.access_manager.{name}": {}} | unattended for name in modules]
    run = fleet.run([{"hosts": "access_manager", "gather_facts": False, "tasks": tasks}], {"ams1": HONEST})
    assert [one.task for one in run.results if "does not support async" in str(one.result.get("msg"))] == modules
