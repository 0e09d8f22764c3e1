# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the directory's modules needs no directory."""

from __future__ import annotations

import datetime
import io
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils import _census, _thumbprints
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._census import Census, KeyUse
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._handover import ldif
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ldap import dns_name
from hypothesis import given
from hypothesis import strategies as st
from unit.actions import run

MOMENTS = st.none() | st.datetimes(timezones=st.just(datetime.UTC))
USES = st.builds(KeyUse, st.integers(0, 9), st.integers(0, 9), MOMENTS, MOMENTS)


@given(st.lists(st.dictionaries(st.sampled_from("ABC"), USES), max_size=4))
def test_the_census_of_a_forest_is_the_sum_of_its_domains(domains: list[dict[str, KeyUse]]) -> None:
    whole = Census()
    for keys in domains:
        whole.add(Census(computers=2, keys=keys, hidden=1))
    assert (whole.computers, whole.hidden) == (2 * len(domains), len(domains))
    for thumbprint in {thumbprint for keys in domains for thumbprint in keys}:
        uses = [keys[thumbprint] for keys in domains if thumbprint in keys]
        assert whole.keys[thumbprint].current == sum(use.current for use in uses)
        times = [moment for use in uses for moment in (use.oldest, use.newest) if moment]
        assert (whole.keys[thumbprint].oldest, whole.keys[thumbprint].newest) == (
            min(times, default=None),
            max(times, default=None),
        )
    shown = _census.told(whole)["keys"]
    assert [key["current"] for key in shown] == sorted((key["current"] for key in shown), reverse=True)


@pytest.mark.parametrize("text", ["ab" * 20, "AB" * 20, " ".join(["ab"] * 20), ":".join(["AB"] * 20), f"\u200e{'ab ' * 20}"])
def test_thumbprints_are_taken_as_people_have_them(text: str) -> None:
    assert _thumbprints.parse([text, text]) == ["AB" * 20]


@pytest.mark.parametrize("text", ["", "ab" * 19, "ab" * 21, "xy" * 20, None, "ab\n" * 20])
def test_what_is_no_thumbprint_is_refused(text: object) -> None:
    with pytest.raises(AccessManagerError, match="40 hexadecimal digits"):
        _thumbprints.parse([text])


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.lists(st.binary(), min_size=1, max_size=3))
def test_ldif_means_what_it_says_whatever_is_in_it(name: str, values: list[bytes]) -> None:
    parser = pytest.importorskip("ldif", reason="python-ldap is not installed")
    dn = f"CN={pytest.importorskip('ldap.dn').escape_dn_chars(name)}"
    reader = parser.LDIFRecordList(io.BytesIO(ldif([(dn, [("delete", "a", values), ("add", "b", [b"0"])])])))
    reader.parse_change_records()
    assert len(reader.all_modify_changes) == 1
    found_dn, changes, _controls = reader.all_modify_changes[0]
    assert found_dn == dn
    assert [(attribute, found) for _operation, attribute, found in changes] == [("a", values), ("b", [b"0"])]


def test_the_name_of_a_domain() -> None:
    assert dns_name("DC=ad,DC=lab,DC=test") == "ad.lab.test"
    assert dns_name("OU=x,DC=ad,dc=lab") == "ad.lab"


def test_without_python_ldap_the_sentence_says_how_to_install_it() -> None:
    program = (
        "import sys; sys.modules['ldap'] = None\n"
        f"sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / '.build')]!r}\n"
        "from ansible.plugins.loader import init_plugin_loader; init_plugin_loader([sys.path[1]])\n"
        "from unit.actions import run\n"
        "print(run('directory_info', servers=['dc1'], bind_user='u', bind_password='not-needed')['msg'])\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "'python-ldap' is missing" in told
    assert "apt-get install python3-ldap" in told
    assert "dnf install python3-ldap" in told


def test_options_that_make_no_sense_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    pytest.importorskip("ldap", reason="python-ldap is not installed")
    two = {"servers": ["dc1", "dc2"], "search_base": "DC=x"}
    assert "several servers" in run("directory_info", **two)["msg"]
    expiry = {"servers": ["dc1"], "lost": ["ab" * 20]}
    for more, reason in (
        (two, "several servers"),
        ({"lost": []}, "is empty"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"limit": -1}, "limit is -1"),
        ({"remove_lost_history": True}, "needs backup_root"),
        ({"publish_only_plan": str(tmp_path / "none")}, "is not a folder"),
    ):
        assert reason in run("directory_password_expiry", **(expiry | more))["msg"]
