# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two states of a server, as data and as text for people."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._compare import text as text_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._compare.changes import Comparison
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._compare.comparison import (
    ComparedState,
    compare_states,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.configuration import Configuration
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows import sddl as sddl_module
from hypothesis import given
from hypothesis import strategies as st
from support.configuration import DOMAIN_SID, SECRET_PATHS, ProtectedSecret, apphost, settings, to_json
from unit.opened_backups import config_zip, lists, state
from unit.servers import CERTIFICATE_STORE_KEY

GROUPS = [group for group in Comparison.__annotations__ if group != "basis"]
READERS = f"{DOMAIN_SID}-1602"
GUEST = f"{DOMAIN_SID}-501"
PASSWORD, HISTORY, JIT, BITLOCKER = (
    "local admin password",
    "local admin password history",
    "just-in-time access",
    "BitLocker recovery passwords",
)
ALL = [PASSWORD, HISTORY, JIT, BITLOCKER]
SECRETS = {path: ProtectedSecret("b2xk", "c2FsdA==") for path in SECRET_PATHS}


class Backup:
    """What a side is made of, to be changed."""

    def __init__(self) -> None:
        self.settings = settings(SECRETS)
        self.apphost = apphost(80)
        self.more = {"config/scripts/rule.ps1": b"exit", "external/C/Scripts/over.ps1": b"exit 1"}
        self.described = state()
        self.sddl: dict[str, str] = {}
        self.text: bytes | None = None
        self.certificates: dict[str, Any] | None = {"AB" * 20: certificate()}

    def rule(self, number: int = 7) -> dict[str, Any]:
        """A rule; by default one that a security descriptor decides."""
        rule: dict[str, Any] = self.settings["Authorization"]["ComputerTargets"][number]
        return rule

    def side(self) -> ComparedState:
        files = {
            "config/appsettings.json": self.text or to_json(self.settings),
            "config/apphost.json": to_json(self.apphost),
            **self.more,
        }
        listed = lists(files)
        for record in listed["files"]:
            record["sddl"] = self.sddl.get(record["path"], record["sddl"])
        data = config_zip(files, listed=listed, described=self.described)
        return ComparedState("backup", Configuration(data, tolerant=True), {}, self.certificates)


def certificate(**changes: Any) -> dict[str, Any]:
    common = {"subject": "CN=forest.example", "not_before": "2021-01-01T00:00:00.0000000Z", "fingerprint": "1"}
    return common | {"not_after": "2041-01-01T00:00:00.0000000Z", "exported": True} | changes


def compared(change: Callable[[Backup], object], same: bool | None = False) -> dict[str, Any]:
    """What differs after a change."""
    after = Backup()
    change(after)
    return compare_states(Backup().side(), after.side(), lambda _before, _after: same)


def only(result: dict[str, Any], group: str) -> dict[str, Any]:
    """The one change of a group. Nothing else but the file that holds it differs."""
    others = {name: result[name] for name in GROUPS if name not in (group, "files") and result[name]}
    assert others == {}
    (change,) = result[group]
    return dict(change)


def granted(grants: list[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for grant in grants:
        found.setdefault((grant["access"], grant["trustee"]), []).append(grant["right"])
    return found


def text(result: dict[str, Any]) -> str:
    return "\n".join(text_module.lines_of(result))


# ---- nothing ----


def test_a_backup_does_not_differ_from_itself() -> None:
    result = compared(lambda _after: None)
    assert {group: result[group] for group in GROUPS} == dict.fromkeys(GROUPS, [])
    assert result["basis"] == "contents"
    assert text_module.lines_of(result) == []


def test_form_and_order_mean_nothing() -> None:
    def rewrite(after: Backup) -> None:
        after.settings["Authorization"]["ComputerTargets"].reverse()
        after.settings["Auditing"]["NotificationChannels"]["Smtp"].reverse()
        after.text = b"// saved by hand\n" + json.dumps(after.settings, sort_keys=True).encode()

    result = compared(rewrite)
    assert only(result, "files") == {
        "change": "changed",
        "path": "config/appsettings.json",
        "source": "config/appsettings.json",
        "what": ["content"],
        "gained": [],
        "lost": [],
        "decoded": True,
    }


# ---- rules ----


def test_who_gains_and_who_loses_which_right() -> None:
    descriptor = f"O:SYD:AR(D;;0x1e00;;;{GUEST})(A;;0x1600;;;{READERS})(A;;0x200;;;AU)(A;;0xe00;;;BA)"
    rule = only(compared(lambda after: after.rule().update(SecurityDescriptor=descriptor)), "rules")
    # Before, the readers had all four rights, and the administrators three.
    assert granted(rule["gained"]) == {("allow", "S-1-5-11"): [PASSWORD]}
    assert granted(rule["lost"]) == {("allow", READERS): [JIT]}
    assert rule["gained"][0]["name"] == "Authenticated Users"
    assert rule["settings"] == []


EVERYTHING = f"+ Everyone (S-1-1-0) gains: {', '.join(ALL)}"
UNDECODED = "? its security descriptor cannot be decoded"


@pytest.mark.parametrize(
    "descriptor", ["O:SYG:SY", "O:SYD:NO_ACCESS_CONTROL", "D: NO_ACCESS_CONTROL ", "O:SYD:PARNO_ACCESS_CONTROL"]
)
def test_a_rule_without_an_access_list_gives_everyone_everything(descriptor: str) -> None:
    def add(after: Backup) -> None:
        after.settings["Authorization"]["ComputerTargets"].append({"Id": "new", "SecurityDescriptor": descriptor})

    for change in (lambda after: after.rule().update(SecurityDescriptor=descriptor), add):
        result = compared(change)
        rule = only(result, "rules")
        assert granted(rule["gained"]) == {("allow", "S-1-1-0"): ALL}
        assert rule["decoded"]
        assert EVERYTHING in text(result)


@pytest.mark.slow
@pytest.mark.parametrize(
    "descriptor",
    [
        "O:SYD:(A;;0x200;;;BA",
        "O:SYD:(A;;0x200;;;BA)(QQ;;0x200;;;WD)",
        "O:SYD:(A;;0x200;;;BA)(A;;0x200;;;)",
        "O:SYD:(A;;QQ;;;WD)",
        "O:SYD:(A;;0x200;WD)",
        "O:SYD:(A;ZZ;0x200;;;WD)",
        "O:SYD:(A;;0x200;;;BA)D:(A;;0x200;;;WD)",
        "O:SYD:(A;;0x200;;;BA)X",
        "XO:SYD:(A;;0x200;;;BA)",
        "O:SYD:P NO_ACCESS_CONTROL",
        "nonsense",
    ],
)
def test_a_rule_that_cannot_be_decoded_is_shown_as_it_is(descriptor: str) -> None:
    def add(after: Backup) -> None:
        rule = {"Id": "new", "AuthorizationMode": "SecurityDescriptor", "SecurityDescriptor": descriptor}
        after.settings["Authorization"]["ComputerTargets"].append(rule)

    for change in (lambda after: after.rule().update(SecurityDescriptor=descriptor), add):
        result = compared(change)
        rule = only(result, "rules")
        assert not rule["decoded"]
        assert descriptor in [setting["after"] for setting in rule["settings"]]
        assert UNDECODED in text(result)
        assert descriptor in text(result)


def test_a_rule_that_stays_undecoded_does_not_differ() -> None:
    before, after = Backup(), Backup()
    for side in (before, after):
        side.rule()["SecurityDescriptor"] = "nonsense"
    assert compare_states(before.side(), after.side(), lambda _before, _after: True)["rules"] == []


def test_blanks_in_a_descriptor_hide_nobody() -> None:
    result = compared(lambda after: after.rule().update(SecurityDescriptor="O:SYD:( A ; ; 0x200 ; ; ; WD )"))
    rule = only(result, "rules")
    assert granted(rule["gained"]) == {("allow", "S-1-1-0"): [PASSWORD]}
    assert (rule["decoded"], rule["settings"]) == (True, [])


def test_a_denial_is_reported_as_one() -> None:
    def deny(after: Backup) -> None:
        after.rule()["SecurityDescriptor"] = after.rule()["SecurityDescriptor"].replace(
            f"(D;;0x1e00;;;{GUEST})", "(D;;0x200;;;WD)"
        )

    result = compared(deny)
    rule = only(result, "rules")
    assert granted(rule["gained"]) == {("deny", "S-1-1-0"): [PASSWORD]}
    assert granted(rule["lost"]) == {("deny", GUEST): ALL}
    assert "+ Everyone (S-1-1-0) is now denied: local admin password" in text(result)
    assert f"- Guest ({GUEST}) is no longer denied: {', '.join(ALL)}" in text(result)


def test_letters_and_numbers_are_the_same_trustee() -> None:
    def rewrite(after: Backup) -> None:
        after.rule()["SecurityDescriptor"] = after.rule()["SecurityDescriptor"].replace("BA)", "S-1-5-32-544)")

    rule = only(compared(rewrite), "rules")
    assert (rule["gained"], rule["lost"]) == ([], [])
    assert [setting["path"] for setting in rule["settings"]] == ["SecurityDescriptor"]


@pytest.mark.parametrize("change", [{"Disabled": True}, {"AuthorizationMode": "PowershellScript"}])
def test_a_rule_that_does_not_apply_gives_nothing(change: dict[str, Any]) -> None:
    rule = only(compared(lambda after: after.rule().update(change)), "rules")
    assert granted(rule["lost"])[("allow", READERS)] == ALL
    assert [setting["path"] for setting in rule["settings"]] == list(change)


def test_rules_that_come_and_go() -> None:
    def exchange(after: Backup) -> None:
        rules = after.settings["Authorization"]["ComputerTargets"]
        gone = rules.pop(7)
        rules.insert(
            0, gone | {"Id": "new", "Description": "Everyone reads", "SecurityDescriptor": "O:SYD:(A;;0x400;;;WD)"}
        )

    result = compared(exchange)
    changes = {rule["change"]: rule for rule in result["rules"]}
    assert set(changes) == {"added", "removed"}
    assert (changes["added"]["id"], changes["added"]["name"]) == ("new", "Everyone reads")
    assert granted(changes["added"]["gained"]) == {("allow", "S-1-1-0"): [HISTORY]}
    assert ("allow", READERS) in granted(changes["removed"]["lost"])
    assert '+ "Everyone reads" (new)' in text(result)


def test_settings_of_a_rule() -> None:
    rule = only(compared(lambda after: after.rule()["Laps"].update(ExpireAfter="08:00:00")), "rules")
    assert rule["settings"] == [
        {"change": "changed", "path": "Laps.ExpireAfter", "before": "01:00:00", "after": "08:00:00", "secret": False}
    ]


def test_two_rules_of_one_id_are_reported_apart_by_their_place() -> None:
    def double(after: Backup) -> None:
        after.rule(8)["Id"] = after.rule(7)["Id"].upper()

    assert {rule["change"] for rule in compared(double)["rules"]} == {"added", "removed"}


@pytest.mark.parametrize("name", ["#8", "", None])
def test_no_rule_hides_behind_the_name_of_another(name: str | None) -> None:
    """A rule without a name of its own is known by its number, and another may have that for a name."""

    def before(one: Backup) -> None:
        one.rule(7)["Id"], one.rule(8)["Id"] = "#8", name

    def change(one: Backup) -> None:
        before(one)
        one.rule(8)["SecurityDescriptor"] = "O:SYD:(A;;0x200;;;WD)"

    old, new = Backup(), Backup()
    before(old)
    change(new)
    (rule,) = compare_states(old.side(), new.side(), lambda _before, _after: None)["rules"]
    assert granted(rule["gained"]) == {("allow", "S-1-1-0"): [PASSWORD]}


def test_no_setting_hides_behind_another() -> None:
    def change(after: Backup) -> None:
        after.settings["Email"]["Host"] = "other.example"
        after.settings["Email.Host"] = "smtp.forest.example"

    changes = {(one["change"], one["path"]) for one in compared(change)["settings"]}
    assert changes == {("changed", "Email.Host"), ("added", "Email.Host")}


# ---- other settings ----


def test_channels_are_compared_by_id() -> None:
    def change(after: Backup) -> None:
        after.settings["Auditing"]["NotificationChannels"]["Smtp"][1]["EmailAddresses"].append("boss@forest.example")

    result = compared(change)
    channel = only(result, "notification_channels")
    assert (channel["kind"], channel["name"]) == ("Mail", "E-Mail an die Überwachung (1)")
    assert "+ boss@forest.example" in text(result)


def test_authentication_is_apart_from_other_settings() -> None:
    def change(after: Backup) -> None:
        after.settings["Authentication"]["AllowedPrincipals"] = [f"{DOMAIN_SID}-512", "S-1-5-11"]
        after.settings["Email"]["Host"] = "other.example"
        after.apphost["Hosting"]["HttpSys"]["HttpPort"] = 8080

    result = compared(change)
    assert [one["path"] for one in result["authentication"]] == ["Authentication.AllowedPrincipals"]
    assert {one["path"]: (one["file"], one["before"], one["after"]) for one in result["settings"]} == {
        "Email.Host": ("appsettings.json", "smtp.forest.example", "other.example"),
        "Hosting.HttpSys.HttpPort": ("apphost.json", 80, 8080),
    }
    assert "+ Authenticated Users (S-1-5-11)" in text(result)


def test_json_that_cannot_be_read_is_compared_as_a_file() -> None:
    result = compared(lambda after: setattr(after, "text", b"{"))
    assert [result[group] for group in ("rules", "notification_channels", "authentication", "settings", "secrets")] == [
        []
    ] * 5
    assert [one["what"] for one in result["files"]] == [["content"]]


# ---- secrets ----


@pytest.mark.parametrize(("same", "reported"), [(True, "protected_again"), (False, "changed"), (None, "unknown")])
def test_a_secret_is_changed_or_not(same: bool | None, reported: str) -> None:
    def change(after: Backup) -> None:
        after.settings["Email"]["Password"] = ProtectedSecret("bmV3", "c2FsdA==").as_json()

    result = compared(change, same)
    assert only(result, "secrets") == {"change": reported, "path": "Email.Password"}


SECRET = "hunter2-s3cr3t"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "change"),
    [
        ("settings", lambda one: one.settings["DatabaseConfiguration"].update(ConnectionString=SECRET)),
        ("settings", lambda one: one.settings["Licensing"].update(Data=SECRET)),
        ("settings", lambda one: one.settings["Email"].update(ApiToken={"Deep": [SECRET, {"x": SECRET}]})),
        (
            "settings",
            lambda one: one.settings["DataProtection"]["Certificates"].append({"Thumbprint": "AB", "Data": SECRET}),
        ),
        ("settings", lambda one: one.settings.update(Unknown={"Data": SECRET, "Salt": SECRET, "Mode": 1})),
        (
            "notification_channels",
            lambda one: one.settings["Auditing"]["NotificationChannels"]["Webhooks"][0].update(Url=SECRET),
        ),
        ("settings", lambda one: one.settings["Email"].update(Password=SECRET)),
        ("settings", lambda one: one.settings["Email"].update(Proxy=f"https://user:{SECRET}@proxy/")),
        ("settings", lambda one: one.settings["Email"].update(Send=[f"Bearer {SECRET}"])),
        ("settings", lambda one: one.settings["Email"].update(Store=f"Server=sql;Password={SECRET}")),
        ("settings", lambda one: one.settings["Email"].update(SharedKey=SECRET, Pin=SECRET, Cookie=SECRET)),
        (
            "settings",
            lambda one: one.settings["Email"].update(Headers=[{"Name": "Proxy-Authorization", "Value": SECRET}]),
        ),
        ("authentication", lambda one: one.settings["Authentication"].update(ClientPassword=SECRET)),
        ("secrets", lambda one: one.settings["Email"].update(Password=ProtectedSecret(SECRET, SECRET, 0).as_json())),
        (
            "server",
            lambda one: one.described.update(
                environment=[{"scope": "machine", "variable": f"AccessManagerServiceX={SECRET}"}]
            ),
        ),
        ("registry", lambda one: one.described["state"]["registry"].append(registry("ConnectionString", SECRET))),
        ("registry", lambda one: one.described["state"]["registry"].append(registry("Store", f"a=b;Pwd={SECRET}"))),
    ],
)
def test_no_value_of_a_secret_is_reported(group: str, change: Callable[[Backup], object]) -> None:
    result = compared(change)
    assert result[group]
    assert SECRET not in json.dumps(result) + text(result)
    backwards = Backup()
    change(backwards)
    result = compare_states(backwards.side(), Backup().side(), lambda _before, _after: None)
    assert result[group]
    assert SECRET not in json.dumps(result) + text(result)


def test_who_may_read_secrets_is_no_secret() -> None:
    result = compared(lambda after: after.settings["DataProtection"].update(AuthorizedSecretReaders="S-1-1-0"))
    assert only(result, "settings")["after"] == "S-1-1-0"


# ---- files, certificates, and the rest ----


def test_files_that_come_go_and_change() -> None:
    def change(after: Backup) -> None:
        del after.more["config/scripts/rule.ps1"]
        after.more |= {
            "config/scripts/new.ps1": b"",
            "external/C/Scripts/over.ps1": b"exit 2",
            "config/db/ams.mdf": b"cache",
        }

    files = {one["path"]: (one["change"], one["what"]) for one in compared(change)["files"]}
    assert files == {
        "config/scripts/rule.ps1": ("removed", []),
        "config/scripts/new.ps1": ("added", []),
        "external/C/Scripts/over.ps1": ("changed", ["content"]),
    }


def test_permissions_of_a_file() -> None:
    sddl = "O:SYG:SYD:AI(A;;0x1301bf;;;WD)(A;ID;FA;;;BU)"
    result = compared(lambda after: after.sddl.update({"config/scripts/rule.ps1": sddl}))
    file = only(result, "files")
    assert file["what"] == ["permissions"]
    assert granted(file["gained"]) == {("allow", "S-1-1-0"): ["modify"], ("owner", "S-1-5-18"): ["owner"]}
    assert "- Administrators (S-1-5-32-544) is no longer: owner" in text(result)


@pytest.mark.parametrize(
    ("sddl", "line"),
    [
        ("O:BAG:SY", "+ Everyone (S-1-1-0) gains: everything, because it has no access list"),
        ("O:BAG:SYD:P(A;;FA;;;SY)(QQ;;FA;;;WD)", UNDECODED),
    ],
)
def test_permissions_that_nothing_limits_or_nobody_can_read(sddl: str, line: str) -> None:
    result = compared(lambda after: after.sddl.update({"config/scripts/rule.ps1": sddl}))
    assert only(result, "files")["what"] == ["permissions"]
    assert line in text(result)


def test_certificates() -> None:
    def change(after: Backup) -> None:
        after.certificates = {"AB" * 20: certificate(fingerprint="2"), "CD" * 20: certificate(exported=False)}

    result = compared(change)
    assert [(one["change"], one["thumbprint"], one["what"]) for one in result["certificates"]] == [
        ("changed", "AB" * 20, ["key"]),
        ("added", "CD" * 20, []),
    ]
    assert "its private key cannot be backed up" in text(result)


def registry(name: str, data: Any) -> dict[str, Any]:
    return {"key": "Parameters", "name": name, "kind": "DWord" if isinstance(data, int) else "String", "data": data}


def test_registry_http_sys_and_service() -> None:
    def change(after: Backup) -> None:
        after.described = copy.deepcopy(after.described)
        after.described["state"]["registry"].append(registry("LogRetentionDays", 30))
        after.described["state"]["http_sys"]["bindings"][0]["thumbprint"] = "CC" * 20
        after.described["state"]["http_sys"]["bindings"][1]["flags"] = 2
        after.described["state"]["http_sys"]["bindings"][2]["thumbprint"] = "CC" * 20  # another program's
        after.described["state"]["registry_permissions"][1]["sddl"] = "O:BAG:SYD:P"
        after.described["state"]["service"]["account"] = "LocalSystem"
        after.described["installation"]["version"] = "1.1.0.0"

    result = compared(change)
    assert [(one["change"], one["key"], one["name"], one["after"]) for one in result["registry"]] == [
        ("added", "Parameters", "LogRetentionDays", 30)
    ]
    assert [(one["kind"], one["name"], one["after"]) for one in result["http_sys"]] == [
        ("binding", "0.0.0.0:443", "CC" * 20),
        ("binding", "[::]:443", "AA" * 20 + " (client certificates are negotiated)"),
    ]
    assert {one["name"]: one["after"] for one in result["server"]} == {
        "version": "1.1.0.0",
        "service account": "LocalSystem",
        f"permissions of HKLM\\{CERTIFICATE_STORE_KEY}": "O:BAG:SYD:P",
    }
    assert "~ TLS binding 0.0.0.0:443: " in text(result)


# ---- inventories ----


def test_inventories_tell_what_and_not_how() -> None:
    before = ComparedState(
        "one", None, {"config/a": "1", "config/b": "1", "state/registry": "1", "state/database": "1"}, None
    )
    after = ComparedState(
        "other", None, {"config/b": "2", "config/c": "1", "state/registry": "2", "certificates/AB": "1"}, None
    )
    result = compare_states(before, after, lambda _before, _after: None)
    assert result["basis"] == "inventory"
    assert {one["path"]: one["change"] for one in result["files"]} == {
        "config/a": "removed",
        "config/b": "changed",
        "config/c": "added",
    }
    assert [one["name"] for one in result["server"]] == ["registry"]
    assert result["rules"] is None
    assert result["certificates"] is None
    assert "~ registry" in text(result)


def test_without_a_key_and_a_manifest_nothing_can_be_compared() -> None:
    with pytest.raises(AccessManagerError, match="identity_file or passphrase"):
        compare_states(ComparedState("one"), ComparedState("other", None, {}), lambda _before, _after: None)


# ---- hostile text ----


def test_control_characters_of_a_backup_reach_no_terminal() -> None:
    result = compared(lambda after: after.rule().update(Description="\x1b[2J\u202efeil\r\n"))
    shown = text(result)
    assert "\\x1b[2J\\u202efeil\\r\\n" in shown
    assert all(letter.isprintable() or letter == "\n" for letter in shown)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_is_shown_on_one_line(value: Any) -> None:
    assert text_module.shown(value).isprintable()


@given(sddl=st.text("OGDSPAIX:;()x0123F", max_size=40))
def test_any_descriptor_is_read(sddl: str) -> None:
    assert all(0 <= rule.mask < 1 << 32 for rule in sddl_module.rules(sddl))


@pytest.mark.slow
@given(
    content=st.dictionaries(
        st.sampled_from(["Authorization", "Auditing", "Email"]),
        st.recursive(
            st.text(),
            lambda inner: (
                st.dictionaries(
                    st.sampled_from(["ComputerTargets", "NotificationChannels", "Smtp", "Id", "Password", "Data"]),
                    inner,
                )
                | st.lists(inner)
            ),
        ),
    )
)
def test_any_settings_are_compared(content: dict[str, Any]) -> None:
    result = compared(lambda after: setattr(after, "settings", content), None)
    assert json.loads(json.dumps(result)) == result
    assert text(result)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
PLACES = ("registry", "service", "http_sys", "firewall", "computer_name")


@pytest.mark.slow
@given(
    place=st.sampled_from(PLACES),
    value=JSON,
    extra=st.dictionaries(st.sampled_from(["data", "kind", "sddl", "rule"]), JSON),
)
def test_any_state_is_compared_or_refused(place: str, value: Any, extra: dict[str, Any]) -> None:
    def change(after: Backup) -> None:
        state = after.described["state"]
        state["registry"][0] |= extra
        state["firewall"][0] |= extra
        state[place] = value

    try:
        result = compared(change)
    except AccessManagerError:
        return
    assert json.loads(json.dumps(result)) == result
    assert text(result)
