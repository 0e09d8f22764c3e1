# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What will hurt later is said each night, and a server in good order says nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.health import (
    Thresholds,
    event_warnings_of,
    expiry_warnings_of,
    warnings_of,
)
from unit.servers import ACCESS_MANAGER, CLUSTER_ENCRYPTION, NOW, SERVICE, certificate, server, tls_certificate

READABLE = f"O:SYD:(A;;FR;;;{SERVICE})(A;;FA;;;BA)"
Described = dict[str, Any]


def bind(described: Described, bound: dict[str, Any]) -> None:
    for binding in described["state"]["http_sys"]["bindings"]:
        if binding["application_id"] == ACCESS_MANAGER:
            binding["thumbprint"] = bound["thumbprint"]
    described["state"]["tls_certificates"] = [bound]


def logged(described: Described, *numbers: int) -> None:
    events = [{"id": number, "time": f"2026-11-{29 - day}T03:00:00.0000000Z"} for day, number in enumerate(numbers)]
    described["service_events"]["events"] = events


def warned(change: Callable[[Described], object], **thresholds: int) -> list[str]:
    """What is said of a server in good order but for one change."""
    described = server() | {"certificates": [certificate(sddl=READABLE)]}
    bind(described, tls_certificate("ams.example"))
    change(described)
    found = warnings_of(described) + event_warnings_of(described)
    return found + expiry_warnings_of(described, NOW, Thresholds(**thresholds))


def test_a_server_in_good_order_says_nothing() -> None:
    assert warned(lambda _described: None) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda one: one["start_obstacles"].append({"kind": "account", "text": "It may not log on (1069)."}),
            "could not start again. It may not log on (1069).",
        ),
        (lambda one: one["installation"].update(configured=False), "Configured in the registry is not 1"),
        (lambda one: one["state"]["service"].update(start=3), "manual"),
        (lambda one: one["state"]["service"].update(delayed_start=False), "start= delayed-auto"),
        (lambda one: logged(one, 5016), "event 5016 (1 times, last on 2026-11-29T03:00 UTC): it started without"),
        (lambda one: logged(one, 5037), "a certificate of the configuration was not imported"),
        (lambda one: logged(one, 5040), "set DeleteLocalDbInstance to 1"),
        (lambda one: logged(one, 5036), "logo.png"),
        (lambda one: logged(one, 5006, 5006), "event 5006 (2 times"),
        (lambda one: one["state"]["service"].update(managed=False), "sc.exe managedaccount lithnetams true"),
        (lambda one: bind(one, tls_certificate("ams.example", days=29)), "expires on 2026-12-29, in 29 days"),
        (lambda one: bind(one, tls_certificate("ams.example", days=-1)), "expired on 2026-11-29"),
        (lambda one: bind(one, tls_certificate("ams.example", has_key=False)), "has no private key"),
        (lambda one: one["state"].update(tls_certificates=[]), "is not in its store"),
        (
            lambda one: one["certificates"][0].update(not_after="2026-12-20T00:00:00.0000000Z"),
            "expires on 2026-12-20, in 20 days",
        ),
        (
            lambda one: one["certificates"][0].update(not_after="2026-11-20T00:00:00.0000000Z"),
            "Every encryption certificate has expired",
        ),
        (
            lambda one: one["certificates"][0]["key"].update(sddl="O:SYD:(A;;FA;;;SY)"),
            "may not read the private key of certificate",
        ),
    ],
)
def test_each_thing_that_will_hurt_later_is_one_sentence(change: Callable[[Described], object], said: str) -> None:
    (sentence,) = warned(change)
    assert said in sentence


HOSTNAME, REALM, MODE = "Hosting.HttpSys.Hostname", "Authentication.WsFed.Realm", "Authentication.Mode"


def of_certificate(settings: dict[str, str], *names: str) -> list[str]:
    """What is said of a web site with these settings, whose certificate is for these names."""

    def change(described: Described) -> None:
        described["settings"] = settings
        bind(described, tls_certificate(*names))

    return warned(change)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({HOSTNAME: "ams.example.com"}, ["AMS.example.com"]),
        ({HOSTNAME: "ams.example.com."}, ["other.example.com", "*.example.com"]),
        ({HOSTNAME: "localhost"}, ["ams.example.com"]),
        ({HOSTNAME: "+"}, ["ams.example.com"]),
        ({HOSTNAME: "192.0.2.1"}, ["ams.example.com"]),
        ({MODE: "WsFed", REALM: "urn:lithnet:ams"}, ["ams.example.com"]),
        ({MODE: "WsFed", REALM: "https://localhost/"}, ["ams.example.com"]),
        ({MODE: "WsFed", REALM: "https://[::1"}, ["ams.example.com"]),
        ({MODE: "Oidc", REALM: "https://sso.example.net/"}, ["ams.example.com"]),
        ({}, []),
    ],
)
def test_a_certificate_for_the_name_of_the_web_site_is_in_order(settings: dict[str, str], names: list[str]) -> None:
    assert of_certificate(settings, *names) == []


@pytest.mark.parametrize(
    ("settings", "names", "said"),
    [
        ({HOSTNAME: "ams.example.com"}, ["ams.net"], f"is for ams.net, and {HOSTNAME} is ams.example.com"),
        ({HOSTNAME: "ams.example.com"}, ["*.com"], f"is for *.com, and {HOSTNAME} is ams.example.com"),
        ({HOSTNAME.lower(): "AMS.example.com"}, ["*.sub.example.com"], f"{HOSTNAME} is ams.example.com: browsers warn"),
        ({MODE: "2", REALM: "https://ams.example.com/sso"}, ["ams.example.net"], f"{REALM} is ams.example.com"),
        ({HOSTNAME: "ams.example.com", MODE: "WsFed", REALM: "https://sso.example.com/"}, ["ams.example.com"], REALM),
    ],
)
def test_a_certificate_for_another_name_than_the_web_sites_is_said(
    settings: dict[str, str], names: list[str], said: str
) -> None:
    (sentence,) = of_certificate(settings, *names)
    assert said in sentence


def test_other_events_and_a_log_that_cannot_be_read_are_no_warning_of_each_night() -> None:
    assert warned(lambda one: logged(one, 5042, 1)) == []
    assert warned(lambda one: one["service_events"].update(error="there is no such log")) == []


def test_an_expired_encryption_certificate_beside_a_valid_one_is_kept_without_a_word() -> None:
    old = certificate("CD" * 20, sddl=READABLE) | {"not_after": "2022-01-01T00:00:00.0000000Z"}
    assert warned(lambda one: one["certificates"].append(old)) == []


@pytest.mark.parametrize("usages", [[], ["1.3.6.1.5.5.7.3.1"]])
def test_a_published_certificate_of_one_s_own_is_judged_whatever_its_usages_are(usages: list[str]) -> None:
    (sentence,) = warned(lambda one: one["certificates"][0].update(usages=usages, not_after="2026-12-20T00:00:00Z"))
    assert "expires on 2026-12-20" in sentence


def test_a_certificate_for_the_secrets_of_a_cluster_or_without_a_key_is_no_certificate_for_passwords() -> None:
    soon = {"not_after": "2026-12-20T00:00:00Z"}
    cluster = certificate("CD" * 20, sddl=READABLE) | soon | {"usages": [CLUSTER_ENCRYPTION]}
    authority = certificate("EF" * 20) | soon | {"usages": [], "key": {"present": False, "reason": "none"}}
    assert warned(lambda one: one["certificates"].extend([cluster, authority])) == []


def test_the_number_of_days_is_given() -> None:
    def soon(described: Described) -> None:
        bind(described, tls_certificate("ams.example", days=50))

    assert warned(soon) == []
    assert len(warned(soon, tls_days=60)) == 1


def test_a_certificate_that_is_another_than_the_server_says_is_none() -> None:
    other = tls_certificate("ams.example")
    assert "is not in its store" in warned(lambda one: bind(one, other | {"thumbprint": "AB" * 20}))[0]
