# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a fleet: its JSON, its metrics, and the module that writes them."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._report import html, prometheus
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._report import report as report_module
from hypothesis import given
from hypothesis import strategies as st
from support.playbook import REPOSITORY
from unit.action.test_controller_actions import run
from unit.faults import largest_file
from unit.reports import (
    NOW,
    a_drill,
    a_run,
    backup,
    certificate,
    fleet,
    healthy,
    rfc3339,
    tls_certificate,
    troubled,
    verification,
)

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


def host_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict(host) for host in report["hosts"] if host["host"] == name)


def one_host(*backups: dict[str, Any], problems: list[str] | None = None) -> dict[str, Any]:
    return host_of(report_module.build([verification("ams1", list(backups), problems)]), "ams1")


# ---- JSON ----


def test_report_has_what_was_verified() -> None:
    report = report_module.build(fleet(3))
    assert report["report_format"] == 1
    assert report["verified_at"] == "2026-11-23T06:30:00Z"
    assert report["summary"]["hosts"] == {"ok": 3, "warning": 0, "critical": 0}
    assert report["summary"]["backups"]["complete"] == sum(len(host["backups"]) for host in report["hosts"])
    host = report["hosts"][0]
    assert (host["host"], host["state"], host["newest_complete"]) == (
        "ams01.example.com",
        "ok",
        host["backups"][0]["id"],
    )
    assert host["backups"] == sorted(host["backups"], key=lambda one: one["id"], reverse=True)
    assert json.loads(json.dumps(report)) == report


def test_documented_keys_are_those_of_the_report() -> None:
    text = (REPOSITORY / "docs/report.md").read_text()
    documented = {
        name
        for row in re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
        for name in re.findall(r"`([a-z_.\[\]]+)`", row)
    }

    def keys(value: Any, at: str = "") -> set[str]:
        if isinstance(value, list):
            return set().union(*(keys(one, f"{at}[]") for one in value)) if value else set()
        if not isinstance(value, dict):
            return {at}
        return set().union(*(keys(one, f"{at}.{name}" if at else name) for name, one in value.items()))

    reported = {name.removesuffix("[]") for name in keys(report_module.build(troubled() + fleet(1)))}
    assert reported == documented - {"hosts", "hosts[].backups"}


@pytest.mark.parametrize(
    ("changes", "problems", "state"),
    [
        ({}, [], "ok"),
        ({"certificates": [certificate(-1)]}, [], "warning"),
        ({"certificates": [certificate(-1), certificate(-400)]}, [], "warning"),
        ({"certificates": [certificate(-1), certificate(400)]}, [], "ok"),
        ({"certificates": []}, [], "ok"),
        ({"certificates": [certificate(30)]}, [], "ok"),
        ({"certificates": [certificate(29)]}, [], "warning"),
        ({"tls_certificates": [tls_certificate(29)]}, [], "warning"),
        ({"tls_certificates": [tls_certificate(-1)]}, [], "warning"),
        ({"tls_certificates": [tls_certificate(30)]}, [], "ok"),
        ({"health_warnings": ["The service could not start again."]}, [], "warning"),
        ({"problems": ["A file is missing."]}, [], "warning"),
        ({}, ["The newest complete backup is too old."], "critical"),
        ({"verified": "none"}, [], "critical"),
        ({"status": "incomplete", "backup_problems": ["A key."]}, [], "critical"),
        ({"status": "damaged"}, [], "critical"),
    ],
)
def test_state_of_a_host(changes: dict[str, Any], problems: list[str], state: str) -> None:
    assert one_host(backup("ams1", NOW - timedelta(hours=4), **changes), problems=problems)["state"] == state


def test_how_long_before_its_end_a_certificate_is_a_warning_is_given() -> None:
    made = backup("ams1", NOW - timedelta(hours=4), tls_certificates=[tls_certificate(40)])
    found = report_module.build([verification("ams1", [made])], expiry_days=45)
    (warning,) = host_of(found, "ams1")["warnings"]
    assert "expires in 40 days" in warning
    assert host_of(report_module.build([verification("ams1", [made])]), "ams1")["warnings"] == []


def test_an_old_damaged_backup_is_a_warning() -> None:
    good = backup("ams1", NOW - timedelta(hours=4))
    bad = backup("ams1", NOW - timedelta(days=3), verified="none", problems=["A file is missing."])
    host = one_host(good, bad)
    assert (host["state"], host["problem_count"]) == ("warning", 1)


def test_a_host_that_was_not_verified_is_at_risk() -> None:
    report = report_module.build(fleet(1), ["ams01.example.com", "forgotten"])
    forgotten = host_of(report, "forgotten")
    assert (forgotten["state"], forgotten["problems"]) == ("critical", ["This host was not verified."])
    assert report["summary"]["hosts"] == {"ok": 1, "warning": 0, "critical": 1}


def test_days_of_certificates_are_whole() -> None:
    host = one_host(
        backup("ams1", NOW, certificates=[certificate(3), certificate(-1), certificate(1) | {"not_after": "never"}])
    )
    assert [one["days_left"] for one in host["certificates"]] == [3, -1, None]


@pytest.mark.parametrize("wrong", [[], [{}], [{"failed": True, "msg": "no"}], [{"hosts": [], "backups": []}]])
def test_what_is_no_verification_is_refused(wrong: list[dict[str, Any]]) -> None:
    with pytest.raises(AccessManagerError, match="backup_verify"):
        report_module.build(wrong)


def test_backups_that_were_not_verified_are_counted() -> None:
    whole = verification("ams1", [backup("ams1", NOW - timedelta(hours=4))])
    whole["hosts"][0]["counts"] = {"complete": 40, "incomplete": 2, "damaged": "many"}
    report = report_module.build([whole])
    assert report["summary"]["backups"] == {"complete": 40, "incomplete": 2, "damaged": 0}
    metrics = samples(prometheus.text_of(report))["lithnet_access_manager_backups"]
    assert metrics[(("host", "ams1"), ("status", "complete"))] == 40


def test_a_backup_that_was_verified_twice_is_reported_once_as_it_was_found_last() -> None:
    made = NOW - timedelta(hours=4)
    first = verification("ams1", [backup("ams1", made, verified="full")])
    second = verification("ams1", [backup("ams1", made, verified="none", problems=["A file is missing."])])
    first["verified_at"] = "2026-11-23T05:30:00Z"
    for order in ([first, second], [second, first]):
        report = report_module.build(order)
        assert report["summary"]["backups"]["complete"] == 1
        assert host_of(report, "ams1")["state"] == "critical"
        assert report["summary"]["problems"] == 1


# ---- metrics ----


def samples(text: str) -> Samples:
    """Every sample by metric and labels. A line that is none, and a sample that stands twice, fail."""
    found: Samples = {}
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# "):
            continue
        name, labels, value = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\.)*",?)+)\})? (\S+)', line).groups()  # type: ignore[union-attr]
        key = tuple(re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', labels or ""))
        assert key not in found.setdefault(name, {}), line
        found[name][key] = float(value)
    return found


def test_metrics_of_a_host() -> None:
    made = NOW - timedelta(hours=4)
    reported = backup(
        "ams1", made, size=1000, stopped=True, downtime_ms=2500, verified="full", certificates=[certificate(10, False)]
    )
    metrics = samples(prometheus.text_of(report_module.build([verification("ams1", [reported])])))
    host = (("host", "ams1"),)
    values = {
        name.removeprefix("lithnet_access_manager_"): value[host] for name, value in metrics.items() if host in value
    }
    assert values == {
        "backup_last_success_timestamp_seconds": (NOW - timedelta(hours=1)).timestamp(),
        "backup_last_run_timestamp_seconds": (NOW - timedelta(hours=1)).timestamp(),
        "drill_last_success_timestamp_seconds": (NOW - timedelta(days=12)).timestamp(),
        "drill_seconds": 250,
        "backup_content_timestamp_seconds": made.timestamp(),
        "backup_age_seconds": 4 * 3600,
        "backup_size_bytes": 1000,
        "backup_content_bytes": 1_495_786,
        "backup_files": 34,
        "backup_downtime_seconds": 2.5,
        "backup_verified_level": 2,
        "backup_problems": 0,
        "warnings": 1,
    }
    site = (*host, ("thumbprint", "B2" * 20), ("subject", "CN=ams.forest.example"))
    assert metrics["lithnet_access_manager_tls_certificate_remaining_seconds"][site] == 200 * 86400 + 3600
    assert metrics["lithnet_access_manager_backups"][(*host, ("status", "complete"))] == 1
    key = (*host, ("thumbprint", "6E58119B945A2531B4C73C0CA088664648737510"), ("subject", "CN=forest.example"))
    assert metrics["lithnet_access_manager_copy_last_success_timestamp_seconds"] == {
        (*host, ("destination", "vault")): (NOW - timedelta(hours=2)).timestamp()
    }
    assert metrics["lithnet_access_manager_certificate_exported"][key] == 0
    assert metrics["lithnet_access_manager_certificate_remaining_seconds"][key] == 10 * 86400 + 3600


def test_what_is_not_known_has_no_sample() -> None:
    metrics = samples(prometheus.text_of(report_module.build([verification("new", [], ["There is no backup."])])))
    assert "lithnet_access_manager_backup_age_seconds" not in metrics
    assert metrics["lithnet_access_manager_backup_problems"] == {(("host", "new"),): 1}
    assert metrics["lithnet_access_manager_backup_verified_level"] == {(("host", "new"),): 0}


UNITS = ("_seconds", "_bytes")
COUNTS = (
    "backups",
    "warnings",
    "backup_files",
    "backup_problems",
    "backup_verified_level",
    "certificate_exported",
    "run_success",
    "run_problems",
)


def runs() -> list[dict[str, Any]]:
    """The last runs of three hosts: one went well, one failed, and one is not known."""
    hour_ago = rfc3339(NOW - timedelta(hours=1))
    copies = [{"destination": "vault", "last_success": hour_ago, "age_hours": 1.0}]
    reported = {"newest_complete": "20261101T000000Z", "last_success": hour_ago, "copies": copies}
    failed = a_run(None, "failed", ("No route to host.",)) | {"downtime_ms": None}
    unknown = {"newest_complete": None, "last_success": None, "last_run": None, "copies": []}
    return [
        {"host": "good", "last_run": a_run("20261101T000000Z")} | reported,
        {"host": "failed", "last_run": failed} | reported,
        {"host": "new"} | unknown,
    ]


def test_metrics_of_runs_say_how_the_last_one_ended() -> None:
    metrics = samples(prometheus.text_of_runs(runs()))
    values = {name.removeprefix("lithnet_access_manager_run_"): value for name, value in metrics.items()}
    good, failed = (("host", "good"),), (("host", "failed"),)
    ended = (NOW - timedelta(hours=1)).timestamp()
    content = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    assert values == {
        "timestamp_seconds": {good: ended, failed: ended},
        "success": {good: 1, failed: 0},
        "duration_seconds": {good: 12.5, failed: 12.5},
        "downtime_seconds": {good: 0.25},
        "problems": {good: 0, failed: 1},
        "last_success_timestamp_seconds": {good: ended, failed: ended},
        "content_timestamp_seconds": {good: content, failed: content},
        "copy_last_success_timestamp_seconds": {
            (*host, ("destination", "vault")): ended for host in (good, failed)
        },
    }
    assert not metrics.keys() & samples(prometheus.text_of(report_module.build(fleet(1)))).keys()


def test_a_last_drill_that_failed_is_a_warning_of_the_report_and_stands_on_the_page() -> None:
    reported = healthy("ams1", 3)
    page = html.html_of(report_module.build([reported]), "Backups")
    assert "12 days, took 4 min 10 s" in page
    reported["hosts"][0]["last_drill"] = a_drill(outcome="failed", problems=["The disk is full."])
    (host,) = report_module.build([reported])["hosts"]
    assert host["state"] == "warning"
    assert host["warnings"] == ["The last restore drill, of 2026-11-11T06:30:00Z, failed. The disk is full."]
    page = html.html_of(report_module.build([reported]), "Backups")
    assert "12 days, took 4 min 10 s; the last one failed" in page


def test_a_last_run_that_failed_is_a_warning_of_the_report() -> None:
    reported = healthy("ams1", 3)
    reported["hosts"][0]["last_run"] = a_run(None, "failed", ("No route to host.",))
    (host,) = report_module.build([reported])["hosts"]
    assert (host["state"], host["last_run"]["outcome"]) == ("warning", "failed")
    assert host["warnings"] == ["The last backup run, of 2026-11-23T05:30:00Z, failed. No route to host."]
    reported["hosts"][0]["last_run"] = {"outcome": ["failed"], "problems": 3}
    assert report_module.build([reported])["hosts"][0]["last_run"] is None


def test_names_keep_the_conventions_of_prometheus() -> None:
    text = prometheus.text_of(report_module.build(troubled() + fleet(2))) + prometheus.text_of_runs(runs())
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert set(kinds) == set(re.findall(r"^# HELP (\S+) \S.*\.$", text, re.MULTILINE)) >= set(samples(text))
    assert set(kinds.values()) == {"gauge"}
    for name in kinds:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert name.endswith(UNITS) or name.removeprefix("lithnet_access_manager_") in COUNTS
        assert not name.endswith(("_total", "_count", "_sum", "_bucket"))


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (apt-get install prometheus)")
def test_promtool_finds_nothing_to_lint() -> None:
    text = prometheus.text_of(report_module.build([*troubled(), *fleet(2), *hostile()]))
    text += prometheus.text_of_runs(runs())
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def hostile() -> list[dict[str, Any]]:
    """Verifications whose texts try to be something else."""
    text = 'x"} 1\nlithnet 2\\<script>alert(1)</script>\u202e\x1b[2J{{ 7*7 }}'
    reported = backup(
        text,
        NOW,
        problems=[text],
        access_manager_version=text,
        certificates=[certificate(5, subject=text, thumbprint=text)],
    )
    wrong = backup(
        "wrong",
        NOW,
        size="large",
        files=-1,
        bytes=True,
        downtime_ms=10**400,
        certificates="no",
        secrets=[1],
        problems={},
    )
    return [
        verification(text, [reported], [text]),
        verification("wrong", [wrong]),
        verification("h", [backup("h", NOW, verified=7)]),
    ]


def test_hostile_text_ends_no_line_of_the_metrics() -> None:
    text = prometheus.text_of(report_module.build(hostile()))
    samples(text)
    assert "\nlithnet 2" not in text
    assert "\x1b" not in text


@pytest.mark.slow
@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            name: st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text()
            | st.lists(st.text() | st.dictionaries(st.text(), st.text()))
            for name in backup("h", NOW)
        },
    )
)
def test_any_manifest_is_reported(changes: dict[str, Any]) -> None:
    reported = backup("h", NOW) | changes
    whole = verification("h", [backup("h", NOW)])
    report = report_module.build([whole | {"backups": [reported]}])
    json.dumps(report).encode()
    samples(prometheus.text_of(report))
    html.html_of(report, "Backups").encode()


# ---- the module ----


def write(folder: Path, **options: Any) -> dict[str, Any]:
    names = {"json": "report.json", "prometheus": "backup.prom", "html": "report.html"}
    paths = {kind: str(folder / name) for kind, name in names.items()}
    return run("backup_report", **{"verifications": fleet(2), **paths} | options)


def test_module_writes_each_file_as_a_whole(tmp_path: Path) -> None:
    result = write(tmp_path, mode="0644")
    assert (result["changed"], result["written"]) == (True, ["json", "prometheus", "html"])
    assert result["summary"]["hosts"] == {"ok": 2, "warning": 0, "critical": 0}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {
        "report.json": 0o644,
        "backup.prom": 0o644,
        "report.html": 0o644,
    }
    assert json.loads((tmp_path / "report.json").read_text())["report_format"] == 1
    first = {path: path.stat().st_ino for path in tmp_path.iterdir()}
    assert write(tmp_path, mode="0644")["changed"] is False
    assert {path: path.stat().st_ino for path in tmp_path.iterdir()} == first
    again = write(tmp_path, mode="0644", verifications=[healthy("ams9")])
    assert again["written"] == ["json", "prometheus", "html"]
    assert all(path.stat().st_ino != first[path] for path in tmp_path.iterdir())  # replaced, not written over


def test_only_what_is_named_is_written(tmp_path: Path) -> None:
    assert run("backup_report", verifications=fleet(1), prometheus=str(tmp_path / "a.prom"))["written"] == [
        "prometheus"
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["a.prom"]
    assert stat.S_IMODE((tmp_path / "a.prom").stat().st_mode) == 0o600


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    paths = {"json": str(tmp_path / "report.json")}
    result = run("backup_report", check=True, verifications=fleet(1), **paths)
    assert (result["changed"], result["written"]) == (True, ["json"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"json": None, "prometheus": None, "html": None}, "No file is named"),
        ({"json": "/nowhere/at/all/report.json"}, "there is no folder '/nowhere/at/all'"),
        ({"mode": "420"}, "four octal digits"),
        ({"mode": "u=rw"}, "four octal digits"),
        ({"verifications": [{"failed": True}]}, "There is nothing to report"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    result = write(tmp_path, **options)
    assert result["failed"]
    assert message in result["msg"]


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device", "folder"])
def test_what_is_no_file_is_neither_waited_for_nor_replaced(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "report.json"
    if kind == "device":
        target.symlink_to("/dev/null")
    elif kind == "folder":
        target.mkdir()
    else:
        os.mkfifo(tmp_path / "pipe")
        target.symlink_to(tmp_path / "pipe") if kind == "link to a pipe" else (tmp_path / "pipe").rename(target)
    before = target.lstat()
    result = run("backup_report", verifications=fleet(1), json=str(target))
    assert "it is a folder, a pipe or a device. Name a file." in result["msg"]
    assert target.lstat().st_ino == before.st_ino


def test_two_reports_in_one_file_are_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "report")
    assert "name the same file" in run("backup_report", verifications=fleet(1), json=path, html=path)["msg"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    with largest_file(1000):
        result = run("backup_report", verifications=fleet(1), json=str(target))
    assert "cannot be written on the controller" in result["msg"]
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    other, link = tmp_path / "other", tmp_path / "report.json"
    other.write_text("old")
    link.symlink_to(other)
    assert run("backup_report", verifications=fleet(1), json=str(link))["changed"]
    assert other.read_text() == "old"
    assert not link.is_symlink()


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (apt-get install prometheus)")
def test_documented_alerts_are_rules_of_prometheus(tmp_path: Path) -> None:
    documented = (REPOSITORY / "docs/report.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "rules.yml").write_text(documented)
    done = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    used = set(re.findall(r"lithnet_access_manager_\w+", documented))
    written = prometheus.text_of(report_module.build(fleet(1))) + prometheus.text_of_runs(runs())
    assert used <= set(samples(written))
