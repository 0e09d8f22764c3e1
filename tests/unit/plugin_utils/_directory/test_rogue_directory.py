# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directory servers that do harm: old TLS, pages and values without an end, a domain whose name is a path."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ldap = pytest.importorskip("ldap", reason="python-ldap is not installed")

from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory import ldap as ldap_module  # noqa: E402
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._directory.ldap import Directory, connect  # noqa: E402
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError  # noqa: E402
from unit.rogue_ldap import ADDRESS, RogueServer, attributes, done  # noqa: E402

PASSWORD = "correct horse battery"
TLS = ssl.TLSVersion
BASE = "DC=ad,DC=lab"
Answers = Callable[[str, int], Iterable[Any]]


def top(base: str = BASE, root: str = BASE) -> list[Any]:
    names = {
        "defaultNamingContext": base,
        "rootDomainNamingContext": root,
        "configurationNamingContext": f"CN=Configuration,{root}",
    }
    return [
        attributes("", {key: [name.encode()] for key, name in (names | {"schemaNamingContext": "CN=Schema"}).items()}),
        done(),
    ]


@contextmanager
def connected(
    folder: Path, answers: Answers, oldest: TLS = TLS.TLSv1_2, newest: TLS = TLS.TLSv1_3
) -> Iterator[Directory]:
    rogue = RogueServer(folder, lambda base, before: answers(base, before) if base else top())
    with rogue.serving(oldest, newest) as port, connect(ADDRESS, options(rogue, port)) as directory:
        yield directory


def options(rogue: RogueServer, port: int) -> dict[str, Any]:
    common = {"transport": "ldaps", "port": port, "timeout": 10, "ca_file": str(rogue.certificate)}
    return common | {"bind_user": "EXAMPLE\\recovery", "bind_password": PASSWORD}


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(AccessManagerError) as caught:
        act()
    return str(caught.value)


# ---- TLS ----


@pytest.mark.parametrize("newest", [TLS.TLSv1, TLS.TLSv1_1])
def test_no_password_goes_over_tls_before_1_2(tmp_path: Path, newest: TLS) -> None:
    rogue = RogueServer(tmp_path, lambda base, before: top())
    with rogue.serving(TLS.TLSv1, newest) as port:
        sentence = refusal(lambda: connect(ADDRESS, options(rogue, port)).__enter__())
        assert rogue.heard == b""
        if ldap.get_option(ldap.OPT_X_TLS_PACKAGE) == "GnuTLS":  # without the demand, libldap takes it
            careless(rogue, port)
            assert PASSWORD.encode() in rogue.heard
    assert f"{ADDRESS} offers no TLS 1.2 or newer" in sentence


def careless(rogue: RogueServer, port: int) -> None:
    connection = ldap.initialize(f"ldaps://{ADDRESS}:{port}")
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(rogue.certificate))
    connection.set_option(ldap.OPT_X_TLS_CIPHER_SUITE, "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0")
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.simple_bind_s("EXAMPLE\\recovery", PASSWORD)
    connection.unbind_s()


@pytest.mark.parametrize("version", [TLS.TLSv1_2, TLS.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(tmp_path: Path, version: TLS) -> None:
    with connected(tmp_path, lambda base, before: [done()], version, version) as directory:
        assert directory.domain.name == "ad.lab"


# ---- what does not end ----


def page(number: int, cookie: bytes, count: int = 2) -> list[Any]:
    return [*(attributes(f"CN=PC{number}-{one},{BASE}", {"cn": [b"x"]}) for one in range(count)), done(cookie)]


def test_pages_that_end_are_read_whole(tmp_path: Path) -> None:
    """Also when the cookie stays the same, as Samba's does, and when a page in between is empty."""

    def answers(_base: str, before: int) -> list[Any]:
        return page(before, b"" if before == 5 else b"same", 0 if before == 3 else 2)

    with connected(tmp_path, answers) as directory:
        assert len(list(directory.search(BASE, "(cn=*)", ["cn"]))) == 8


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (lambda _base, _before: page(1, b"same"), "sends the page that begins with"),
        (lambda _base, before: page(before % 3, str(before).encode()), "sends the page that begins with"),
        (lambda _base, _before: [done(b"same")], "100 empty pages|101 empty pages"),
        (lambda _base, before: [done(str(before).encode())], "101 empty pages"),
    ],
    ids=["same page", "round", "same empty page", "empty pages"],
)
def test_pages_without_an_end_are_refused(tmp_path: Path, answers: Answers, words: str) -> None:
    with connected(tmp_path, answers) as directory, pytest.raises(AccessManagerError, match=words) as caught:
        list(directory.search(BASE, "(cn=*)", ["cn"]))
    assert "does not end the search below" in str(caught.value)


def endless(size: int) -> Iterator[bytes]:
    for number in range(1_000_000):
        yield attributes(f"CN=PC{number},{BASE}", {"cn": [bytes(size)]})


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 1_000_000], ids=["entries", "bytes"])
def test_an_answer_without_an_end_is_refused_while_it_arrives(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ldap_module, "_LARGEST_ANSWER", 20_000_000)
    searches: list[Callable[[Directory], object]] = [
        lambda directory: list(directory.search(BASE, "(cn=*)", ["cn"])),
        lambda directory: directory.entry(f"CN=PC0,{BASE}", ["cn"]),
    ]
    for search in searches:
        with connected(tmp_path, lambda _base, _before: endless(size)) as directory:
            message = refusal(functools.partial(search, directory))
        assert "does not end its answer to a search" in message


def test_as_many_entries_as_were_asked_for_are_taken(tmp_path: Path) -> None:
    with connected(tmp_path, lambda _base, _before: page(1, b"", 500)) as directory:
        assert len(list(directory.search(BASE, "(cn=*)", ["cn"], page_size=500))) == 500


def ranges(*parts: tuple[str, int]) -> Answers:
    """An attribute in these ranges, each with so many values; the last one is sent for ever."""

    def answers(_base: str, before: int) -> list[Any]:
        name, count = parts[min(before - 1, len(parts) - 1)]
        return [
            attributes(f"CN=PC,{BASE}", {f"history;range={name}": [str(one).encode() for one in range(count)]}),
            done(),
        ]

    return answers


def values(folder: Path, answers: Answers) -> list[bytes]:
    with connected(folder, answers) as directory:
        return list(directory.all_values(directory.entry(f"CN=PC,{BASE}", ["history;range=0-1499"]), "history"))


def test_ranges_that_end_are_read_whole(tmp_path: Path) -> None:
    assert len(values(tmp_path, ranges(("0-9", 10), ("10-19", 10), ("20-*", 3)))) == 23


@pytest.mark.parametrize(
    "parts",
    [
        [("0-9", 10)],
        [("0-9", 10), ("10-9", 1)],
        [("0-9", 10), ("10-19", 1)],
        [("0-9", 10), ("20-29", 10)],
        [("0-999999", 10), ("1000000-1000009", 10)],
    ],
    ids=["same", "backwards", "fewer", "gap", "too many"],
)
def test_ranges_without_an_end_are_refused(tmp_path: Path, parts: list[tuple[str, int]]) -> None:
    assert "does not end the values of history" in refusal(lambda: values(tmp_path, ranges(*parts)))


# ---- names ----


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["DC=../../etc,DC=x", "DC=/etc", "DC=a/b", "DC=.hidden", "DC=a\nb", "DC=" + "x" * 300, "CN=none", "DC=.."]
)
@pytest.mark.parametrize("which", ["base", "root"])
def test_a_domain_whose_name_would_be_a_path_is_refused(tmp_path: Path, name: str, which: str) -> None:
    rogue = RogueServer(tmp_path, lambda base, before: top(**{which: name}))
    with rogue.serving(TLS.TLSv1_2, TLS.TLSv1_3) as port:
        sentence = refusal(lambda: connect(ADDRESS, options(rogue, port)).__enter__())
    assert "which cannot be the name of a domain" in sentence
    assert sentence.isprintable()
