# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recovery from a lost certificate may begin when each server has said that it does not have the key."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.recovery_refusal import refusal, without

LOST, OTHER = "A1" * 20, "B2" * 20


def server(thumbprint: str = OTHER, *, present: bool = True, wrapped: tuple[str, ...] = ()) -> dict[str, Any]:
    certificates = [{"thumbprint": thumbprint, "key": {"present": present}}]
    return {"certificates": certificates, "synchronised_certificates": list(wrapped)}


def refused(*servers: dict[str, Any], lost: tuple[str, ...] = (LOST,), limit: str = "", said: bool = False) -> str:
    named = {f"ams{number}": one for number, one in enumerate(servers, 1)}
    return refusal(named, lost, batch=["ams1", "ams2"], limit=limit, configuration_keys_lost=said)


def test_nothing_is_refused_when_no_server_has_the_key() -> None:
    assert refused(server(), server(LOST, present=False, wrapped=(OTHER,))) == ""


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        (f"ams2 has the key of certificate {LOST}.", refused(server(), server(LOST))),
        (
            f"The configuration of ams1 holds the key of certificate {LOST}.",
            refused(server(wrapped=(OTHER, LOST)), server()),
        ),
        ("Nothing is changed, for ams2 may have the key", refused(server(), {})),
        ("Nothing is changed, for ams2 may have the key", refused(server(), {"failed": True, "msg": "No."})),
        ("Nothing is changed, for ams3 may have the key", refused(server(), server(), server())),
        ("--limit ams1 may leave out a server that has the key", refused(server(), limit="ams1")),
        ("The census of ams1 names no lost certificate.", refused(server(), lost=())),
    ],
)
def test_whatever_is_not_known_or_has_the_key_is_a_refusal(sentence: str, why: str) -> None:
    assert why.startswith(sentence)


def test_every_reason_is_said() -> None:
    why = refused(server(LOST), {}, limit="ams1,ams2")
    assert why.index("--limit") < why.index("ams1 has the key") < why.index("for ams2 may have the key")


def test_a_key_in_a_configuration_is_lost_when_a_person_says_so() -> None:
    assert refused(server(wrapped=(LOST,)), said=True) == ""
    assert refused(server(LOST, wrapped=(LOST,)), said=True) == f"ams1 has the key of certificate {LOST}."


def test_who_did_not_import_has_no_certificate() -> None:
    imports: dict[str, dict[str, Any]] = {
        "done": {"changed": True, "failed": False},
        "had": {"changed": False},
        "failed": {"failed": True},
        "dead": {"unreachable": True, "changed": False},
        "skipped": {"skipped": True, "changed": False},
        "absent": {},
    }
    assert without(imports) == ["failed", "dead", "skipped", "absent"]
