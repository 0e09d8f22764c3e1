# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that need no target: backup_commit and backup_info."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyrage
import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.partial import PartialBackup
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.store import BackupStore
from support.playbook import results_of, run_playbook
from unit.actions import HOST, run
from unit.backups import fill, publish
from unit.encrypted_backups import open_as

INVENTORY = {"config/": "1", "config/appsettings.json": "2", "state/version": "3"}


def commit(root: Path, state: str, **options: Any) -> dict[str, Any]:
    return run(
        "backup_commit", backup_root=str(root), state=state, encryption=options.pop("encryption", "none"), **options
    )


def make(
    root: Path, inventory: dict[str, str] | None = None, *, problems: tuple[str, ...] = (), **options: Any
) -> dict[str, Any]:
    """Opens, fills and commits a backup."""
    inventory = INVENTORY if inventory is None else inventory
    opened = commit(root, "opened", inventory=inventory, **options)
    fill(BackupStore(str(root), HOST), opened["backup_id"], inventory=inventory, problems=problems)
    return run("backup_commit", backup_root=str(root), backup_id=opened["backup_id"])


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def refused(result: dict[str, Any]) -> str:
    assert result["failed"]
    assert result["changed"] is False
    return str(result["msg"])


# ---- a backup, whole ----


@pytest.mark.slow
def test_a_playbook_makes_and_lists_a_backup(root: Path, tmp_path: Path) -> None:
    store = BackupStore(str(root), HOST)
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id, inventory=INVENTORY)
    module, common = "lithnet.access_manager", {"backup_root": str(root)}
    tasks = [
        {f"{module}.backup_commit": common | {"backup_id": backup_id}},
        {f"{module}.backup_info": common | {"backup_id": "latest"}},
        {
            f"{module}.backup_commit": common
            | {"state": "opened", "encryption": "none", "inventory": INVENTORY | {"new": "1"}}
        },
        {
            f"{module}.backup_commit": common
            | {"state": "checked", "passphrase": "correct horse", "recipients": ["age1"]}
        },
    ]
    play = tmp_path / "play.yml"
    play.write_text(json.dumps([{"hosts": HOST, "gather_facts": False, "tasks": tasks}]))
    # The host cannot be reached: nothing needs it.
    ran = run_playbook(
        play,
        f"{HOST},",
        extra_vars={"ansible_connection": "winrm", "ansible_host": "192.0.2.1"},
        args=["--diff", "-vvv"],
    )
    committed, opened, refusal = results_of(ran, "backup_commit")
    assert committed["changed"], ran.output
    assert committed["id"] == backup_id
    assert results_of(ran, "backup_info")[0]["backup"]["status"] == "complete"
    assert opened["comparison"] == {"added": ["new"], "changed": [], "removed": []}
    assert "+ new" in ran.stdout
    assert "age encrypts to one or the other" in refusal["msg"]
    assert "correct horse" not in ran.output
    assert ran.rc == 2


def test_what_was_opened_filled_and_committed_is_there(root: Path) -> None:
    result = make(root)
    assert result["changed"]
    assert result["status"] == "complete"
    assert (result["files"], result["bytes"], result["host"]) == (2, 20, HOST)
    assert sorted(path.name for path in Path(result["path"]).iterdir()) == [
        "certificates.zip",
        "config.zip",
        "manifest.json",
        "secrets.json",
    ]
    manifest = json.loads((Path(result["path"]) / "manifest.json").read_text())
    assert manifest["inventory"] == INVENTORY
    assert manifest["content_digest"] == result["content_digest"]
    assert manifest["created"].endswith("Z")
    assert manifest["collection_version"].count(".") == 2


def test_a_problem_makes_the_result_incomplete(root: Path) -> None:
    result = make(root, problems=("One file is missing.",))
    assert (result["status"], result["problems"]) == ("incomplete", ["One file is missing."])


# ---- unchanged ----


def test_unchanged_content_opens_no_backup(root: Path) -> None:
    first = make(root)
    before = files(root)
    again = commit(root, "opened", inventory=INVENTORY)
    assert (again["changed"], again["unchanged"], again["latest"]["id"]) == (False, True, first["id"])
    assert files(root) == before


def test_unchanged_content_is_backed_up_again_by_force(root: Path) -> None:
    first = make(root)
    second = make(root, force=True)
    assert second["id"] > first["id"]


def test_changed_content_opens_a_backup_and_says_what_changed(root: Path) -> None:
    make(root)
    opened = commit(root, "opened", inventory={"config/": "1", "config/appsettings.json": "!", "config/new": "4"})
    assert opened["changed"]
    assert opened["comparison"] == {
        "added": ["config/new"],
        "changed": ["config/appsettings.json"],
        "removed": ["state/version"],
    }
    assert opened["diff"]["prepared"].splitlines()[1:] == [
        "+ config/new",
        "~ config/appsettings.json",
        "- state/version",
    ]


def test_another_computer_behind_the_name_is_a_change_and_a_warning(root: Path) -> None:
    named = INVENTORY | {"state/computer_name": "4"}
    first = make(root, named)
    assert commit(root, "opened", inventory=named)["warnings"] == []
    opened = commit(root, "opened", inventory=named | {"state/computer_name": "5"})
    assert opened["comparison"]["changed"] == ["state/computer_name"]
    (warning,) = opened["warnings"]
    assert f"has another computer name than in the backup {first['id']}" in warning


@pytest.mark.parametrize("damage", ["no manifest", "an empty folder dated in the future"])
def test_a_damaged_newest_backup_is_named_and_keeps_no_new_one_from_being_made(root: Path, damage: str) -> None:
    first = make(root)
    if damage == "no manifest":
        (Path(first["path"]) / "manifest.json").unlink()
        broken = first["id"]
    else:
        broken = "20991129T235959Z"
        (root / HOST / broken).mkdir(mode=0o700)
    opened = commit(root, "opened", inventory=INVENTORY, force=True)
    assert any(f"The newest backup of {HOST}, {broken}, cannot be read" in one for one in opened["warnings"])
    fill(BackupStore(str(root), HOST), opened["backup_id"], inventory=INVENTORY)
    assert run("backup_commit", backup_root=str(root), backup_id=opened["backup_id"])["status"] == "complete"


def test_a_backup_in_the_future_is_neither_the_latest_nor_the_reason_for_new_ones(root: Path) -> None:
    first = make(root)
    store = BackupStore(str(root), HOST)
    open_as(store, "20991129T235959Z")
    fill(store, "20991129T235959Z", inventory=INVENTORY | {"config/": "future"})
    run("backup_commit", backup_root=str(root), backup_id="20991129T235959Z")
    second = make(root)
    opened = commit(root, "opened", inventory=INVENTORY)
    assert opened["latest"]["id"] == second["id"] > first["id"]
    assert any("The backup 20991129T235959Z" in one and "in the future" in one for one in opened["warnings"])
    assert run("backup_info", backup_root=str(root), backup_id="latest")["backup"]["id"] == second["id"]


def test_the_same_content_under_another_encryption_begins_a_backup(root: Path, recipient: str) -> None:
    make(root)
    assert commit(root, "opened", inventory=INVENTORY, encryption="age", recipients=[recipient])["changed"]


@pytest.mark.parametrize("problems", [("One file is missing.",), ()], ids=["incomplete", "damaged"])
def test_the_same_content_is_backed_up_again_when_the_last_backup_is_not_whole(
    root: Path, problems: tuple[str, ...]
) -> None:
    result = make(root, problems=problems)
    if not problems:
        (Path(result["path"]) / "config.zip").unlink()
    assert commit(root, "opened", inventory=INVENTORY)["changed"]


# ---- check mode ----


@pytest.mark.parametrize("state", ["checked", "opened"])
def test_check_mode_writes_nothing(root: Path, state: str) -> None:
    result = commit(root, state, inventory=INVENTORY, check=True)
    assert result["changed"] == (state == "opened")
    assert files(root) == []
    assert "backup_id" not in result


def test_check_mode_neither_commits_nor_discards(root: Path) -> None:
    store = BackupStore(str(root), HOST)
    backup_id = PartialBackup.begin(store).id
    fill(store, backup_id)
    before = files(root)
    assert commit(root, "committed", backup_id=backup_id, check=True)["changed"]
    commit(root, "discarded", backup_id=backup_id, check=True)
    assert files(root) == before


def test_discarding_says_whether_there_was_something(root: Path) -> None:
    opened = commit(root, "opened", inventory=INVENTORY)
    assert commit(root, "discarded", backup_id=opened["backup_id"])["changed"]
    assert files(root) == []
    assert not commit(root, "discarded", backup_id=opened["backup_id"])["changed"]


# ---- refusals: a sentence with the value and the remedy, and nothing left behind ----


def test_no_recipient_is_refused(root: Path) -> None:
    assert "access_manager_recipients" in refused(commit(root, "checked", encryption="age"))


@pytest.mark.parametrize("option", ["recipients", "certificate_recipients"])
@pytest.mark.parametrize("state", ["checked", "opened"])
def test_a_private_key_among_the_recipients_is_refused_and_not_repeated(
    root: Path, recipient: str, option: str, state: str
) -> None:
    secret = str(pyrage.x25519.Identity.generate())
    options = {"recipients": [recipient]} | {option: [secret]}
    result = commit(root, state, encryption="age", inventory=INVENTORY, **options)
    assert "private key" in refused(result)
    assert secret not in json.dumps(result)
    assert files(root) == []


def test_a_missing_root_is_refused_and_named(root: Path) -> None:
    message = refused(commit(root / "missing", "checked"))
    assert f"'{root / 'missing'}'" in message
    assert "backup_root" in message


def test_a_root_without_room_is_refused(root: Path) -> None:
    assert "not enough space" in refused(commit(root, "opened", inventory=INVENTORY, expected_bytes=10**18))
    assert files(root) == []


@pytest.mark.parametrize(
    ("state", "option"), [("opened", "inventory"), ("committed", "backup_id"), ("discarded", "backup_id")]
)
def test_a_missing_option_is_refused_and_named(root: Path, state: str, option: str) -> None:
    assert f"{option} is required when state is {state}" in refused(commit(root, state))


def test_options_are_checked_by_the_documentation(root: Path) -> None:
    assert "backup_root" in refused(run("backup_commit"))
    assert "sideways" in refused(commit(root, "sideways"))
    assert "colour" in refused(run("backup_info", backup_root=str(root), colour="red"))


@pytest.mark.parametrize("host", ["../other", ".", "a/b"])
def test_a_host_that_leads_elsewhere_is_refused_and_named(root: Path, host: str) -> None:
    assert f"'{host}'" in refused(commit(root, "opened", host=host, inventory=INVENTORY))
    assert f"'{host}'" in refused(run("backup_info", backup_root=str(root), host=host))


def test_an_id_that_is_none_is_refused_and_named(root: Path) -> None:
    assert "'../x'" in refused(commit(root, "committed", backup_id="../x"))


def test_a_backup_with_a_part_missing_is_not_published(root: Path) -> None:
    opened = commit(root, "opened", inventory=INVENTORY)
    fill(BackupStore(str(root), HOST), opened["backup_id"], parts=["config"])
    assert "'certificates'" in refused(commit(root, "committed", backup_id=opened["backup_id"]))
    assert not run("backup_info", backup_root=str(root))["backups"]


# ---- backup_info ----


@pytest.fixture
def three(root: Path) -> list[str]:
    """A complete backup, an incomplete one, and one whose manifest is gone."""
    store = BackupStore(str(root), HOST)
    ids = [publish(store), publish(store, problems=["One file is missing."]), publish(store)]
    (store.folder / ids[2] / "manifest.json").write_text("{")
    return ids


def info(root: Path, **options: Any) -> dict[str, Any]:
    return run("backup_info", backup_root=str(root), **options)


def test_backups_are_listed_oldest_first_with_their_state(root: Path, three: list[str]) -> None:
    result = info(root)
    assert not result["changed"]
    assert [(backup["id"], backup["status"]) for backup in result["backups"]] == list(
        zip(three, ["complete", "incomplete", "unreadable"], strict=True)
    )
    assert result["backup"] is None
    first = result["backups"][0]
    assert "inventory" not in first
    assert first["path"] == str(root / HOST / three[0])
    assert first["size"] == sum(
        (root / HOST / three[0] / artifact["name"]).stat().st_size for artifact in first["artifacts"]
    )
    assert "manifest.json" in result["backups"][2]["problems"][0]


def test_only_complete_backups_are_listed_when_asked(root: Path, three: list[str]) -> None:
    assert [backup["id"] for backup in info(root, complete_only=True)["backups"]] == three[:1]


def test_a_backup_is_selected(root: Path, three: list[str]) -> None:
    assert info(root, backup_id="latest")["backup"]["id"] == three[2]
    assert info(root, backup_id="latest", complete_only=True)["backup"]["id"] == three[0]
    assert info(root, backup_id=three[1])["backup"]["id"] == three[1]


def test_backups_are_listed_by_time(root: Path, three: list[str]) -> None:
    assert [backup["id"] for backup in info(root, not_before=three[1])["backups"]] == three[1:]
    assert [backup["id"] for backup in info(root, not_after=three[1])["backups"]] == three[:2]
    assert [backup["id"] for backup in info(root, not_before=three[0][:8])["backups"]] == three
    assert info(root, not_before="99991231")["backups"] == []


def test_a_time_may_have_separators_and_what_is_none_is_refused(root: Path, three: list[str]) -> None:
    day = f"{three[0][:4]}-{three[0][4:6]}-{three[0][6:8]}"
    assert [backup["id"] for backup in info(root, not_before=day, not_after=day)["backups"]] == three
    assert info(root, not_after=f"{day}T00:00:00Z")["backups"] == []
    for wrong in ("yesterday", "2026-11-23 08:15", "11"):
        assert f"not_before is '{wrong}'" in refused(info(root, not_before=wrong))


def test_the_backups_of_all_hosts_are_listed(root: Path, three: list[str]) -> None:
    other = publish(BackupStore(str(root), "ams0"))
    assert [(one["host"], one["id"]) for one in info(root, all_hosts=True)["backups"]] == [
        ("ams0", other),
        *((HOST, one) for one in three),
    ]
    assert "neither backup_id nor host" in refused(info(root, all_hosts=True, backup_id="latest"))
    assert "is not a folder" in refused(info(root / "missing", all_hosts=True))


def test_a_backup_that_is_not_there_is_refused_and_named(root: Path, three: list[str]) -> None:
    assert "'20200101T000000Z'" in refused(info(root, backup_id="20200101T000000Z"))
    assert "complete backup" in refused(info(root, backup_id=three[1], complete_only=True))
    assert "other" in refused(info(root, backup_id="latest", host="other"))


def test_a_host_without_backups_has_an_empty_list(root: Path) -> None:
    assert info(root)["backups"] == []
    assert files(root) == []


@pytest.mark.parametrize("secret", [42798, 1.5, True])
def test_a_passphrase_that_yaml_takes_for_a_number_is_refused(root: Path, secret: object) -> None:
    options = {"state": "checked", "backup_root": str(root), "encryption": "age"}
    refused = run("backup_commit", **options, passphrase=secret)
    assert refused["failed"]
    assert refused["msg"].startswith("passphrase is a number, a date or a truth value for YAML")
    assert refused["msg"].endswith("put it in quotes.")
    assert not run("backup_commit", **options, passphrase="012345678901").get("failed")
