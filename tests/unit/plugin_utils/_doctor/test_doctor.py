# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor decides by facts: each check has one verdict, and whatever is not in order comes with what to do."""

from __future__ import annotations

import base64
import copy
import datetime
import gzip
import hashlib
import json
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.constants import SERVICE_SID
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._doctor import (
    account,
    controller,
    examination,
    keys,
    platform,
    policies,
    probes,
    run,
    service,
    throwaway,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._doctor.facts import Examined, Facts
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._doctor.verdict import STATES, Finding, worst
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError, UnreachableError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._shape import checked
from hypothesis import given
from hypothesis import strategies as st
from support.backups import age_key
from unit import actions
from unit.servers import ACCESS_MANAGER, CLUSTER_ENCRYPTION, certificate, server, tls_certificate

NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC)
CHECKS = {
    check.name: check
    for check in (*account.CHECKS, *platform.CHECKS, *service.CHECKS, *keys.CHECKS, *examination.ALWAYS)
}
ENOUGH = 10 * 1024**3
READABLE = f"O:SYD:(A;;FR;;;{SERVICE_SID})(A;;FA;;;BA)"

EXAMINATION: dict[str, Any] = {
    "platform": {
        "powershell": "5.1.20348.2849",
        "windows": "Windows Server 2022 Standard",
        "build": 20348,
        "is_64_bit": True,
        "culture": "de-DE",
        "language_mode": "FullLanguage",
        "old_paths": False,
    },
    "account": {
        "name": r"EXAMPLE\backup",
        "sid": "S-1-5-21-1-2-3-1103",
        "logon": "network",
        "elevated": True,
        "privileges": ["SeBackupPrivilege", "SeRestorePrivilege", "SeDebugPrivilege"],
        "user_names": "",
    },
    "policies": [{"key": policy.key, "name": policy.name, "data": None} for policy in policies.ALL],
    "code_integrity": None,
    "leaves_job": True,
    "data_protection": "",
    "drives": {"safety": {"name": "C:\\", "free_bytes": ENOUGH}},
    "service": {"control": "", "process": "", "recovery": ""},
    "secrets": [
        {"path": "Authentication.Oidc.Secret", "mode": 1, "decrypts": True},
        {"path": "Email.Password", "mode": 3, "decrypts": True},
    ],
    "exports": [{"thumbprint": "A1" * 20, "error": ""}],
    "user_store": "",
    "volume": {"format": "NTFS", "linked": [], "streamed": []},
    "database": {"versions": ["14.0"], "files": ["ams.mdf", "ams_log.ldf"]},
    "site": {"http": "", "https": ""},
}


def recovery(*actions: int) -> str:
    """The registry value FailureActions of these kinds of actions, each after a minute."""
    header = struct.pack("<5I", 86400, 0, 0, len(actions), 20)
    return base64.b64encode(header + b"".join(struct.pack("<2I", kind, 60000) for kind in actions)).decode()


def facts(
    change: Callable[[dict[str, Any], dict[str, Any]], object] = lambda _server, _examination: None, skew: int = 0
) -> Facts:
    """Those of a server in good order, but for one change of its description or of its examination."""
    described = server() | {
        "framework_release": 528449,
        "certificates": [certificate(sddl=READABLE)],
        "staging": {"root": r"C:\ProgramData\lithnet.access_manager", "free_bytes": ENOUGH},
        "interrupted_stops": [],
        "unended_restores": [],
        "machine_certificates": {},
    }
    bind(described, tls_certificate("ams.example"))
    described["state"]["http_sys"]["reservations"] = [
        one for one in described["state"]["http_sys"]["reservations"] if SERVICE_SID in one["sddl"]
    ]
    examined = copy.deepcopy(EXAMINATION)
    change(described, examined)
    return Facts(described, examined, skew, NOW)  # type: ignore[arg-type]


def bind(described: dict[str, Any], certificate: dict[str, Any]) -> None:
    """Access Manager's bindings of a server have that certificate."""
    for binding in described["state"]["http_sys"]["bindings"]:
        if binding["application_id"] == ACCESS_MANAGER:
            binding["thumbprint"] = certificate["thumbprint"]
    described["state"]["tls_certificates"] = [certificate]


def bound(certificate: dict[str, Any]) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda described, _examined: bind(described, certificate)


def obstacle(kind: str, text: str) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return in_server("start_obstacles", value=[{"kind": kind, "text": text}])


def policy_of(policy: policies.Policy, data: int | str) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    def change(_server: dict[str, Any], examined: dict[str, Any]) -> None:
        next(one for one in examined["policies"] if one["name"] == policy.name and one["key"] == policy.key)["data"] = (
            data
        )

    return change


def in_examination(*path: Any, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda _server, examined: put(examined, path, value)


def in_server(*path: Any, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda described, _examined: put(described, path, value)


def put(data: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value


# ---- one server in good order, and one thing after the other that is not ----


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_server_in_good_order_is_ok(name: str) -> None:
    found = CHECKS[name].finding(facts())
    assert (found["state"], found["advice"]) == ("ok", ""), found


FAULTS = [
    ("administrator", "failure", in_server("administrator", value=False), "not an administrator"),
    ("administrator", "failure", in_examination("account", "elevated", value=False), "not an administrator"),
    (
        "privileges",
        "failure",
        in_examination("account", "privileges", value=["SeDebugPrivilege"]),
        "SeRestorePrivilege",
    ),
    (
        "privileges",
        "warning",
        in_examination("account", "privileges", value=["SeRestorePrivilege"]),
        "SeDebugPrivilege",
    ),
    ("Windows", "failure", in_examination("platform", "build", value=9600), "9600"),
    ("PowerShell", "failure", in_examination("platform", "powershell", value="4.0"), "4.0"),
    ("PowerShell", "failure", in_examination("platform", "is_64_bit", value=False), "32-bit"),
    (
        "language mode",
        "failure",
        in_examination("platform", "language_mode", value="ConstrainedLanguage"),
        "ConstrainedLanguage",
    ),
    (".NET Framework", "failure", in_server("framework_release", value=394802), "older than 4.7.2"),
    (".NET Framework", "warning", in_server("framework_release", value=0), "does not say"),
    ("script policies", "warning", policy_of(policies.APPLOCKER_SCRIPTS, 1), "AppLocker"),
    ("script policies", "warning", in_examination("code_integrity", value=True), "WDAC"),
    ("execution policy", "warning", policy_of(policies.EXECUTION, "AllSigned"), "AllSigned"),
    ("module logging", "warning", policy_of(policies.MODULE_LOGGING, 1), "4103"),
    ("transcription", "warning", policy_of(policies.TRANSCRIPTION, 1), "Transcription is on"),
    ("processes by WMI", "warning", policy_of(policies.NO_WMI_PROCESSES, "1"), "d1e49aac"),
    ("remote shells", "warning", policy_of(policies.REMOTE_SHELL, 0), "winrm fails"),
    ("remote shells", "warning", policy_of(policies.SHELL_MEMORY, 150), "150 MB"),
    ("DPAPI", "failure", in_examination("data_protection", value="The data is invalid."), "The data is invalid."),
    ("installation", "failure", in_server("installation", "version", value="3.0.1"), "3.0.1"),
    ("installation", "failure", in_server("installation", "config_exists", value=False), "does not exist"),
    ("installation", "warning", in_server("installation", "configured", value=False), "never configured"),
    ("configuration", "warning", in_server("documents", 0, "valid", value=False), "not valid JSON"),
    ("service", "failure", obstacle("start_type", "Its start type is disabled."), "disabled"),
    ("configuration", "failure", obstacle("configuration", "apphost.json is not JSON."), "apphost.json"),
    ("service", "warning", in_server("state", "service", "start", value=3), "manual"),
    ("service", "warning", in_server("state", "service", "status", value="Stopped"), "Stopped"),
    ("service account", "failure", obstacle("account", "It may not log on (error 1069)."), "1069"),
    ("service account", "warning", in_server("state", "service", "managed", value=False), "managedaccount"),
    ("service account", "warning", in_server("state", "service", "delayed_start", value=False), "delayed-auto"),
    (
        "service control",
        "failure",
        in_examination("service", "control", value="Access is denied."),
        "Access is denied.",
    ),
    (
        "service process",
        "warning",
        in_examination("service", "process", value="Access is denied."),
        "Access is denied.",
    ),
    (
        "failover cluster",
        "warning",
        in_server("cluster", value={"resource": "AMS", "owner": "AMS1", "owned": True}),
        "'AMS'",
    ),
    (
        "failover cluster",
        "failure",
        in_server("cluster", value={"resource": "AMS", "owner": "AMS2", "owned": False}),
        "AMS2",
    ),
    ("staging space", "failure", in_server("staging", "free_bytes", value=1024), "9 MiB are needed"),
    ("staging space", "warning", in_server("staging", "free_bytes", value=12 * 1024**2), "12 MiB are free"),
    ("space for restores", "failure", in_examination("drives", "safety", "free_bytes", value=0), "0 MiB are free"),
    (
        "encryption certificates",
        "warning",
        in_server("certificates", value=[certificate(exportable=False)]),
        "not exportable",
    ),
    (
        "encryption certificates",
        "warning",
        in_server("certificates", 0, "not_after", value="2026-12-01T00:00:00.0000000Z"),
        "until 2026-12-01",
    ),
    (
        "encryption certificates",
        "warning",
        in_server("certificates", value=[certificate(sddl="") | {"usages": [], "not_after": "2026-12-01T00:00:00Z"}]),
        "until 2026-12-01",
    ),
    (
        "encryption certificates",
        "warning",
        in_server("certificates", value=[certificate(sddl="O:SYD:(A;;FA;;;SY)") | {"usages": [CLUSTER_ENCRYPTION]}]),
        "may not read the private keys",
    ),
    (
        "web site names",
        "warning",
        in_server("settings", value={"Hosting.HttpSys.Hostname": "other.example"}),
        "is for ams.example, and Hosting.HttpSys.Hostname is other.example",
    ),
    (
        "web site names",
        "warning",
        in_server("settings", value={"Authentication.Mode": "WsFed", "Authentication.WsFed.Realm": "https://sso.example"}),
        "Authentication.WsFed.Realm is sso.example",
    ),
    (
        "service events",
        "warning",
        in_server("service_events", "events", value=[{"id": 5040, "time": "2026-11-29T03:00:00.0000000Z"}]),
        "event 5040 (1 times, last on 2026-11-29T03:00 UTC): its database could not be upgraded",
    ),
    ("database", "warning", in_examination("database", "versions", value=["13.0", "x"]), "found: 13.0, x"),
    ("database", "warning", in_examination("database", "versions", value=[]), "found: none"),
    ("database", "warning", in_examination("database", "files", value=["ams_log.ldf"]), "without ams.mdf"),
    ("service events", "warning", in_server("service_events", "error", value="no such log"), "no such log"),
    ("TLS certificates", "failure", in_server("state", "tls_certificates", value=[]), "is not in its store"),
    ("TLS certificates", "failure", bound(tls_certificate("ams.example", has_key=False)), "has no private key"),
    (
        "TLS certificates",
        "failure",
        bound(tls_certificate("ams.example", days=-1)),
        "has expired",
    ),
    (
        "TLS certificates",
        "warning",
        bound(tls_certificate("ams.example", days=20)),
        "2026-12-20",
    ),
    ("TLS certificates", "warning", in_server("state", "http_sys", "bindings", value=[]), "no TLS binding"),
    (
        "HTTP.sys",
        "warning",
        in_server("state", "http_sys", "bindings", 2, "endpoint", value="10.0.0.1:443"),
        "10.0.0.1:443",
    ),
    ("HTTP.sys", "warning", in_server("state", "http_sys", "bindings", 0, "other_values", value=["New"]), "New"),
    ("secrets", "warning", in_examination("secrets", 0, "decrypts", value=False), "Authentication.Oidc.Secret"),
    ("secrets of the domain", "warning", in_examination("secrets", 1, "decrypts", value=False), "Email.Password"),
    ("users of processes", "warning", in_examination("account", "user_names", value="Access is denied."), "denied"),
    ("processes by WMI", "warning", policy_of(policies.NO_WMI_PROCESSES_HERE, 1), "d1e49aac"),
    (
        "processes by WMI",
        "warning",
        policy_of(policies.NO_WMI_PROCESSES_BY_DEVICE_MANAGEMENT, f"9E6C=0|{policies.WMI_RULE.upper()}=1"),
        "d1e49aac",
    ),
    ("remote shells", "warning", policy_of(policies.SHELL_PROCESSES, 5), "5 processes"),
    ("remote shells", "warning", policy_of(policies.SHELL_IDLE, 60000), "60000 ms"),
    ("service recovery", "warning", in_examination("service", "recovery", value=recovery(1, 2)), "restarts the server"),
    ("service recovery", "warning", in_examination("service", "recovery", value=recovery(3)), "runs a program"),
    ("web site", "warning", in_examination("site", "https", value="https://ams/ does not answer"), "does not answer."),
    ("file system", "warning", in_examination("volume", "format", value="FAT32"), "FAT32"),
    ("file system", "warning", in_server("records", 3, "attributes", value=0x4020), "EFS"),
    (
        "file system",
        "warning",
        in_examination("volume", "linked", value=["C:\\a.ps1"]),
        "C:\\a.ps1: under further names",
    ),
    ("file system", "warning", in_examination("volume", "streamed", value=["C:\\a.ps1"]), "with further streams"),
    ("exported keys", "warning", in_examination("exports", 0, "error", value="Bad Key."), "Bad Key."),
    (
        "keys elsewhere",
        "warning",
        in_examination("user_store", value="Access is denied."),
        "Access is denied.",
    ),
    (
        "registry permissions",
        "warning",
        in_server("state", "registry_permissions", 1, "sddl", value=f"O:BAG:SYD:(A;CI;KR;;;{SERVICE_SID})(A;;KA;;;BA)"),
        r"SystemCertificates\MY",
    ),
]


@pytest.mark.parametrize(("name", "state", "change", "words"), FAULTS)
def test_what_is_not_in_order_is_said_with_what_to_do(
    name: str, state: str, change: Callable[[dict[str, Any], dict[str, Any]], object], words: str
) -> None:
    found = CHECKS[name].finding(facts(change))
    assert found["state"] == state, found
    assert words in found["found"]
    assert_whole(found)


@pytest.mark.parametrize("mode", [0, 2, "0"])
def test_a_rule_of_attack_surface_reduction_that_does_not_block_is_ok(mode: int | str) -> None:
    found = CHECKS["processes by WMI"].finding(facts(policy_of(policies.NO_WMI_PROCESSES_HERE, mode)))
    assert found["state"] == "ok"


@pytest.mark.parametrize("sent", ["", recovery(0, 1, 1), "bm8=", "no Base64!", recovery(1)[:-2]])
def test_a_service_that_windows_only_starts_again_is_ok(sent: str) -> None:
    assert CHECKS["service recovery"].finding(facts(in_examination("service", "recovery", value=sent)))["state"] == "ok"


@pytest.mark.parametrize("store", ["LocalMachine\\My", "S-1-5-21-1-2-3-1104\\My"])
def test_a_key_outside_the_store_of_the_service_is_named_and_is_no_trouble(store: str) -> None:
    def change(described: dict[str, Any], _examined: dict[str, Any]) -> None:
        described["certificates"] += [certificate(sddl=READABLE) | {"store": store}]
        described["certificates"] += [certificate("B2" * 20, sddl=READABLE) | {"store": store}]

    found = CHECKS["keys elsewhere"].finding(facts(change))
    assert (found["state"], f"B2 in {store}" in found["found"]) == ("ok", True)
    assert certificate()["thumbprint"] not in found["found"], "its own store has it too"


def test_a_database_in_an_external_sql_server_needs_no_local_db() -> None:
    def change(described: dict[str, Any], examined: dict[str, Any]) -> None:
        described["settings"] = {"databaseConfiguration.UseExternalSql": "True"}
        examined["database"] = {"versions": [], "files": []}

    assert "external" in CHECKS["database"].finding(facts(change))["found"]


def test_a_certificate_for_the_name_of_the_web_site_is_ok() -> None:
    for name, words in (("AMS.example", "than ams.example"), ("localhost", "no name"), ("*", "no name")):
        found = CHECKS["web site names"].finding(facts(in_server("settings", value={"Hosting.HttpSys.Hostname": name})))
        assert (found["state"], words in found["found"]) == ("ok", True)


@pytest.mark.parametrize("access", ["(A;;KA;;;SY)", "(A;;GA;;;WD)", f"(A;;0x2;;;{SERVICE_SID})"])
def test_a_key_of_the_registry_that_its_account_may_write_by_any_rule_is_ok(access: str) -> None:
    def change(described: dict[str, Any], _examined: dict[str, Any]) -> None:
        described["service_sid"] = "S-1-5-18"
        for one in described["state"]["registry_permissions"]:
            one["sddl"] = f"O:BAG:SYD:{access}"

    assert CHECKS["registry permissions"].finding(facts(change))["state"] == "ok"


def test_a_web_site_of_a_service_that_does_not_run_is_not_judged() -> None:
    found = CHECKS["web site"].finding(facts(in_examination("site", value=None)))
    assert (found["state"], "not tested" in found["found"]) == ("ok", True)


@pytest.mark.parametrize(("skew", "words"), [(90, "90 s ahead"), (-61, "61 s behind")])
def test_a_clock_that_is_wrong_is_a_warning(skew: int, words: str) -> None:
    found = CHECKS["clock"].finding(facts(skew=skew))
    assert (found["state"], words in found["found"]) == ("warning", True)


def test_an_interrupted_stop_is_a_failure() -> None:
    left = {
        "run_id": "0123456789abcdef",
        "controller": "c1",
        "stopped_at": "then",
        "found": "",
        "started_at": "",
        "error": "",
    }
    found = CHECKS["interrupted runs"].finding(facts(in_server("interrupted_stops", value=[left])))
    assert (found["state"], "0123456789abcdef" in found["found"]) == ("failure", True)


def test_a_local_administrator_whom_uac_filters_is_reported_of_uac() -> None:
    def change(described: dict[str, Any], examined: dict[str, Any]) -> None:
        described["administrator"] = False
        examined["account"]["name"] = r"AMS1\backup"
        policy_of(policies.UAC, 1)(described, examined)

    found = CHECKS["administrator"].finding(facts(change))
    assert "UAC" in found["found"]
    assert "LocalAccountTokenFilterPolicy" in found["advice"]


@pytest.mark.parametrize("old", [False, True])
def test_whether_the_old_path_handling_had_to_be_switched_off_is_said(old: bool) -> None:
    found = CHECKS["long paths"].finding(facts(in_examination("platform", "old_paths", value=old)))
    assert (found["state"], "switched off" in found["found"]) == ("ok", old)


def test_a_virtual_account_has_its_right_by_the_group_of_all_services() -> None:
    found = CHECKS["service account"].finding(facts(in_examination("service", "sid", value=SERVICE_SID)))
    assert found["state"] == "ok"


def assert_whole(found: Finding) -> None:
    """One of three states, and sentences: what was found and, where something is not in order, what to do."""
    assert found["state"] in STATES
    assert found["found"].strip()
    assert bool(found["advice"].strip()) == (found["state"] != "ok")


# ---- any facts that pass the shape ----

_SIMPLE = st.one_of(st.none(), st.booleans(), st.integers(-5, 2**40), st.text(max_size=8), st.just([]))


@given(st.data())
def test_every_check_has_a_verdict_of_any_facts_that_have_their_shape(data: st.DataObject) -> None:
    examined = copy.deepcopy(EXAMINATION)
    paths = [(section, key) for section, members in examined.items() if isinstance(members, dict) for key in members]
    for path in data.draw(st.lists(st.sampled_from(paths), max_size=4)):
        put(examined, path, data.draw(_SIMPLE))
    for one in examined["policies"]:
        one["data"] = data.draw(st.one_of(st.none(), st.integers(-1, 3), st.text(max_size=4)))
    examined["code_integrity"] = data.draw(st.none() | st.booleans())
    base = facts()
    try:
        shaped = checked({"examination": examined, "server": _absent()}, Examined)["examination"]
    except ValueError:
        return
    for check in CHECKS.values():
        assert_whole(check.finding(Facts(base.server, shaped, data.draw(st.integers(-9999, 9999)), NOW)))


def _absent() -> dict[str, Any]:
    return {
        "installation": {"exists": False},
        "administrator": True,
        "computer_name": "AMS1",
        "framework_release": 528449,
        "now": "2026-11-30T00:00:00.0000000Z",
    }


def test_facts_of_a_server_have_the_shape_that_is_asked_for() -> None:
    assert checked({"server": _absent(), "examination": EXAMINATION}, Examined)["examination"] == EXAMINATION


# ---- a run outside its shell ----


@pytest.mark.parametrize(
    ("leaves_job", "by_task", "state", "words"),
    [
        (True, False, "ok", "breakaway"),
        (False, False, "ok", "Win32_Process.Create"),
        (False, True, "warning", "scheduled task"),
        (True, True, "warning", "scheduled task"),
    ],
)
def test_the_way_in_which_a_run_started_is_said(leaves_job: bool, by_task: bool, state: str, words: str) -> None:
    verdict = run.started(leaves_job, by_task)
    assert (verdict.state, words in verdict.found) == (state, True)


def test_a_run_whose_shell_was_closed_and_that_went_on_is_said() -> None:
    assert "also when its shell is closed" in run.started(True, False, cut=True).found
    assert "closed" not in run.started(True, False).found


# ---- probes ----


def probed(name: str, error: str = "", values: list[str] | None = None, keys_sent: Any = ()) -> Finding:
    probe: Any = {"name": name, "error": error, "values": values or []}
    (found,) = probes.findings([probe], list(keys_sent))
    assert_whole(found)
    return found


@pytest.mark.parametrize(
    "name", ["names", "times", "permissions", "writes", "json", "registry", "reservations", "bindings", "certificates"]
)
def test_a_probe_that_failed_is_a_failure_with_its_reason(name: str) -> None:
    found = probed(name, "Access is denied.")
    assert (found["state"], "Access is denied." in found["found"]) == ("failure", True)


@pytest.mark.parametrize(
    ("milliseconds", "state"), [(["12", "3"], "ok"), (["4000", "3"], "warning"), (["3", "4000"], "warning")]
)
def test_slow_writes_are_a_warning(milliseconds: list[str], state: str) -> None:
    assert probed("writes", values=milliseconds)["state"] == state


def test_json_that_comes_back_equal_is_ok_however_it_is_written_and_no_other_is() -> None:
    written = json.dumps(probes.JSON, indent=1, ensure_ascii=True)
    assert probed("json", values=[written])["state"] == "ok"
    assert probed("json", values=[json.dumps(probes.JSON, ensure_ascii=False)])["state"] == "ok"
    shallower = json.dumps(probes.JSON | {"deep": probes.JSON["deep"][0]})
    dated = written.replace("/Date(1)/", "2026-01-01T00:00:00Z")
    for wrong in ([], [written[:-1]], ["{}"], [dated], [shallower], [written, written]):
        assert probed("json", values=wrong)["state"] == "failure"


@pytest.mark.parametrize(
    ("error", "values", "state", "words"),
    [
        ("", ["0", "3"], "ok", "none of the passwords"),
        ("", ["0", "0"], "ok", "neither"),
        ("", ["1", "3"], "failure", "1 events"),
        ("", ["2", "0"], "failure", "2 events"),
        ("Access is denied.", [], "warning", "Access is denied."),
        ("", [], "warning", "not searched"),
    ],
)
def test_a_password_in_windows_logs_is_a_failure(error: str, values: list[str], state: str, words: str) -> None:
    found = probed("logs", error, values)
    assert (found["state"], words in found["found"]) == (state, True)


@pytest.mark.parametrize(("values", "state"), [(["done"], "ok"), (["none"], "warning"), ([], "warning")])
def test_a_binding_that_was_not_tried_is_not_ok(values: list[str], state: str) -> None:
    assert probed("bindings", values=values)["state"] == state


@pytest.mark.parametrize(("values", "state"), [(["kept"], "ok"), (["lost"], "warning"), ([], "warning")])
def test_creation_times_that_do_not_stay_are_a_warning(values: list[str], state: str) -> None:
    assert probed("times", values=values)["state"] == state


def test_keys_that_come_back_as_they_went_are_ok_and_no_others_are() -> None:
    made = throwaway.make_for_each_provider()
    exported = [one.sent["pfx"] for one in made]
    whole = probed("certificates", values=exported, keys_sent=made)
    assert (whole["state"], "encrypted with 3DES" in whole["found"]) == ("ok", True)
    assert probed("certificates", values=exported[:-1], keys_sent=made)["state"] == "failure"
    assert probed("certificates", values=[exported[0]] * len(made), keys_sent=made)["state"] == "failure"
    assert probed("certificates", values=["bm8="] * len(made), keys_sent=made)["state"] == "failure"
    assert probed("certificates", values=[], keys_sent=[])["state"] == "failure"


# ---- the controller ----


def options(root: Path, **changed: Any) -> dict[str, Any]:
    given_ = {
        "backup_root": str(root),
        "check_backup_owner": True,
        "allow_unmounted_root": False,
        "encryption": "age",
        "recipients": [age_key().public],
        "certificate_recipients": [],
        "passphrase": None,
        "signing_key": None,
        "allowed_signers": None,
        "allow_unsigned": False,
    }
    return given_ | changed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "backups").mkdir(mode=0o700)
    return tmp_path / "backups"


@pytest.fixture
def signing_key(tmp_path: Path) -> Path:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return key


def states(root: Path, size: int = 0, **changed: Any) -> dict[str, str]:
    found = [
        check.finding(controller.Controller(options(root, **changed), "ams1", size)) for check in controller.CHECKS
    ]
    for one in found:
        assert_whole(one)
    return {one["check"]: one["state"] for one in found}


def test_a_controller_in_good_order_is_ok(root: Path, signing_key: Path) -> None:
    allowed = [signing_key.with_suffix(".pub").read_text()]
    assert set(states(root, signing_key=str(signing_key), allowed_signers=allowed).values()) == {"ok"}
    assert not list(root.iterdir())


@pytest.mark.slow
def test_what_is_not_in_order_on_the_controller_is_found(root: Path, signing_key: Path, tmp_path: Path) -> None:
    assert states(root, recipients=[])["recipients"] == "failure"
    assert states(root, recipients=["age1no"])["recipients"] == "failure"
    assert states(root, recipients=[], encryption="none")["recipients"] == "warning"
    assert states(root)["signing"] == "warning"
    assert states(root, signing_key=str(signing_key))["signing"] == "warning"
    assert states(root, signing_key=str(tmp_path / "none"))["signing"] == "failure"
    assert states(root, allowed_signers=[signing_key.with_suffix(".pub").read_text()])["signing"] == "failure"
    assert states(tmp_path / "absent")["backup root"] == "failure"
    assert states(root, size=2**60)["backup root"] == "failure"
    assert states(root, backup_root=None)["backup root"] == "failure"


def test_a_controller_that_does_not_open_what_windows_makes_is_a_failure(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = throwaway.make()._replace(password="another")
    monkeypatch.setattr(throwaway, "make", lambda: wrong)
    assert states(root)["PFX on the controller"] == "failure"


# ---- a host that does not answer ----


class Silent:
    """A target that raises, or prints its language mode."""

    label = "ams1"

    class connection:  # noqa: N801
        transport = "psrp"

        @staticmethod
        def get_option(name: str) -> Any:
            return {"port": 5986, "auth": "kerberos"}.get(name)

    def __init__(self, error: AccessManagerError, mode: str = "") -> None:
        self.error, self.mode = error, mode

    def call(self, *_arguments: Any, **_options: Any) -> Any:
        raise self.error

    def said(self, _script: str) -> str:
        return self.mode


def examined(root: Path, target: Silent) -> dict[str, Finding]:
    params = options(root) | {"staging_root": "", "lock_timeout": 1, "probes": False, "destinations": []}
    found = examination.examine(target, params, "ams1", with_run=True).findings  # type: ignore[arg-type]
    for one in found:
        assert_whole(one)
    return {one["check"]: one for one in found}


def test_a_host_that_cannot_be_reached_is_a_failure_beside_what_is_known_of_the_controller(root: Path) -> None:
    found = examined(root, Silent(UnreachableError("There is no connection to ams1.")))
    assert found["connection"]["state"] == "failure"
    assert found["recipients"]["state"] == "ok"


def test_a_host_in_constrained_language_mode_is_a_failure_that_says_so(root: Path) -> None:
    found = examined(root, Silent(AccessManagerError("Unhandled exception."), "ConstrainedLanguage"))
    assert "ConstrainedLanguage" in found["language mode"]["found"]
    assert "AppLocker" in found["language mode"]["advice"]
    assert found["connection"]["state"] == "ok"


def test_a_host_that_fails_otherwise_is_a_failure_with_its_own_words(root: Path) -> None:
    found = examined(root, Silent(AccessManagerError("The service database is locked."), "FullLanguage"))
    assert found["server"]["found"] == "The service database is locked."


@pytest.mark.parametrize(("fail_on", "failed"), [("failure", True), ("warning", True), ("never", False)])
def test_a_host_of_another_connection_fails_unless_nothing_may(root: Path, fail_on: str, failed: bool) -> None:
    result = actions.run("doctor", backup_root=str(root), recipients=[age_key().public], fail_on=fail_on)
    assert (result["failed"], result["state"]) == (failed, "failure"), result
    assert "connection" in result["msg"]
    assert {"check", "state", "found", "advice"} == set(result["findings"][0])


def test_the_worst_state_counts() -> None:
    def one(state: Any) -> Finding:
        return {"check": "", "state": state, "found": "", "advice": ""}

    assert worst([]) == "ok"
    assert worst([one("ok"), one("failure"), one("warning")]) == "failure"
    assert worst([one("warning"), one("ok")]) == "warning"


def test_names_of_checks_are_used_once() -> None:
    found = [*account.CHECKS, *platform.CHECKS, *service.CHECKS, *keys.CHECKS]
    assert len({check.name for check in found}) == len(found)


def test_what_the_probes_are_given_is_a_bundle_whose_names_differ_and_the_value_that_must_come_back() -> None:
    given_ = probes.sent()
    assert json.loads(given_["json"]) == probes.JSON
    unpacked = gzip.decompress(base64.b64decode(given_["archive"]))
    (length,) = struct.unpack_from("<i", unpacked)
    files, content = json.loads(unpacked[4 : 4 + length])["files"], unpacked[4 + length :]
    assert len({one["name"] for one in files}) == len(files) > 1
    for one in files:
        data, content = content[: one["size"]], content[one["size"] :]
        assert hashlib.sha256(data).hexdigest() == one["sha256"]
    assert content == b""
