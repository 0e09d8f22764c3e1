# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON with places, and security descriptors."""

from __future__ import annotations

import codecs
import contextlib
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams import json_document
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams.json_document import (
    Value,
    find,
    parse,
    strict,
)
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._windows import sddl as sddl_module
from hypothesis import given
from hypothesis import strategies as st

SERVICE = "S-1-5-80-125788923-1836679867-2653951330-153436886-93372159"


def _has_distinct_names(value: Any) -> bool:
    return len({name.lower() for name in value}) == len(value)


_NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _NAMES
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4).filter(_has_distinct_names),
    max_leaves=20,
)


def plain(value: Value) -> Any:
    if isinstance(value.value, dict):
        return {name: plain(member) for name, member in value.value.items()}
    if isinstance(value.value, list):
        return [plain(element) for element in value.value]
    return value.value


def every(value: Value) -> list[Value]:
    inner = (
        value.value.values() if isinstance(value.value, dict) else value.value if isinstance(value.value, list) else ()
    )
    return [value, *(one for part in inner for one in every(part))]


@given(tree=_TREES, ascii=st.booleans(), indent=st.sampled_from([None, 2]), mark=st.booleans())
def test_every_value_is_read_and_stands_where_it_says(tree: Any, ascii: bool, indent: int | None, mark: bool) -> None:
    text = json.dumps({"tree": tree}, ensure_ascii=ascii, indent=indent).encode()
    data = codecs.BOM_UTF8 + text if mark else text
    document = parse(data)
    assert plain(document) == {"tree": tree}
    for value in every(document):
        assert json.loads(data[value.start : value.end]) == plain(value)


@given(data=st.binary(max_size=60) | st.text('{}[]",:tfn0-9eE.\\/* \n', max_size=30).map(str.encode))
def test_garbage_is_refused_in_words(data: bytes) -> None:
    try:
        parse(data)
    except ValueError as exc:
        assert str(exc)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{ "a": ', "no value"),
        ('{ "a": 1 "b": 2 }', "',' is missing, in line 1"),
        ('{\n"a": 1,\n"A": 2 }', "the key 'A' stands twice, in line 3"),
        ("{} x", "follows its end"),
        ("[]", "not an object"),
        ('{ "a": "', "string does not end"),
        ("[" * 100, "nested more than 64"),
        ('{ "a": truex }', "missing"),
        ('{ "a": NaN }', "no value"),
        ('{\n"a": -1e999 }', "a number is too large, in line 2"),
        (f'{{ "a": {"9" * 5000} }}', "a number is too large, in line 1"),
        ("", "no value"),
    ],
)
def test_what_is_wrong_is_reported(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        parse(text.encode())


def test_other_encodings_are_refused() -> None:
    with pytest.raises(ValueError, match="not UTF-8"):
        parse('{"ä": 1}'.encode("latin-1"))


def test_comments_and_trailing_commas_pass() -> None:
    text = b'// head\n{ /* a */ "a": [1, 2,], // one\n "b": { "c": 3, }, }\n'
    assert plain(parse(text)) == {"a": [1, 2], "b": {"c": 3}}


def test_values_are_found_by_path_whatever_the_capitals() -> None:
    document = parse(b'{"A": {"List": [{"c": 1}, {}, {"C": 2}], "d": "x"}}')
    assert [(place, value.value) for place, value in find(document, "a.list[].c")] == [
        ("A.List[0].c", 1),
        ("A.List[2].C", 2),
    ]
    assert [place for place, _value in find(document, "A.D")] == ["A.d"]
    assert list(find(document, "A.d.e")) == []
    assert list(find(document, "A.d[].e")) == []


# ---- bounds ----


def keys(count: int, *more: str) -> bytes:
    """An object with so many keys, and these after them."""
    names = [f"{number:09}" for number in range(count)]
    return "{{{}}}".format(",".join(f'"{name}":0' for name in [*names, *more])).encode()


def seconds(act: Callable[[], Any]) -> float:
    """The processor's seconds that something takes, at best of three."""

    def once() -> float:
        before = time.process_time()
        act()
        return time.process_time() - before

    return min(once() for _attempt in range(3))


def refused(read: Callable[[bytes], Any], data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(data)


@pytest.mark.slow
@pytest.mark.parametrize("read", [strict, parse])
def test_a_key_that_stands_twice_at_the_end_of_a_megabyte_is_found_at_once(read: Callable[[bytes], Any]) -> None:
    whole, twice = keys(75_000), keys(75_000, "000000001")
    assert len(twice) > 1024**2
    assert (
        seconds(lambda: refused(read, twice, "the key '000000001' stands twice"))
        < 3 * seconds(lambda: read(whole)) + 0.1
    )


@pytest.mark.slow
@pytest.mark.parametrize("read", [strict, parse])
@pytest.mark.parametrize(
    "made",
    [
        lambda count: keys(count, "000000000"),
        lambda count: b'{"a":[' + b"{}," * count + b"0]}",
        lambda count: b'{"a":"' + b"\\u00e4" * count + b'"}',
        lambda count: b"{" + b"/**/" * count + b'"a":0}',
        lambda count: b"{/*" + b"/" * count,
        lambda count: b'{"a":' + b"9" * count + b"}",
        lambda count: b"[" * count,
    ],
    ids=["keys", "objects", "escapes", "comments", "comment", "digits", "depth"],
)
def test_eight_times_the_size_takes_no_more_than_about_eight_times_as_long(
    read: Callable[[bytes], Any], made: Callable[[int], bytes]
) -> None:
    def reading(count: int) -> float:
        data = made(count)

        def attempt() -> None:
            with contextlib.suppress(ValueError):
                read(data)

        return seconds(attempt)

    assert reading(40_000) < 24 * reading(5_000) + 0.05


@pytest.mark.parametrize("read", [strict, parse])
def test_what_is_nested_too_deep_is_refused(read: Callable[[bytes], Any]) -> None:
    read(b'{"a":' + b"[" * 63 + b"]" * 63 + b"}")
    for depth in (65, 200_000):
        refused(read, b'{"a":' + b"[" * depth + b"]" * depth + b"}", "nested more than 64 deep")


@pytest.mark.parametrize(
    ("read", "most"),
    [(strict, json_document.MOST_VALUES), (parse, json_document.MOST_PLACED_VALUES)],
    ids=["strict", "parse"],
)
def test_more_values_than_any_file_has_are_refused_before_they_take_memory(
    read: Callable[[bytes], Any], most: int
) -> None:
    data = b'{"a":[' + b"0," * most + b"0]}"
    tracemalloc.start()
    try:
        refused(read, data, f"more than {most} values")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1024**2


def test_a_configuration_larger_than_any_is_refused() -> None:
    refused(parse, b'{"a":"' + b"x" * json_document.MOST_BYTES + b'"}', "more than 16 MiB")
    assert parse(b'{"a":"' + b"x" * (json_document.MOST_BYTES - 8) + b'"}')


def test_comments_take_no_memory() -> None:
    data = b"{" + b"//\n" * 1_000_000 + b"}"
    command = [sys.executable, "-c", _MEMORY, json_document.__file__]
    assert int(subprocess.run(command, input=data, capture_output=True, check=True).stdout) < 100


_MEMORY = """
import importlib, pathlib, re, sys
sys.path.insert(0, sys.argv[1].partition('ansible_collections')[0])
plugin_utils = 'ansible_collections.lithnet.access_manager.plugins.plugin_utils'
json_document = importlib.import_module(plugin_utils + '._ams.json_document')
json_document.parse(sys.stdin.buffer.read())
status = pathlib.Path('/proc/self/status').read_text().replace(chr(9), '')
print(int(re.search('VmHWM: *([0-9]+)', status).group(1)) // 1024)
"""


# ---- SDDL ----

DESCRIPTORS = (
    "O:BAG:SYD:AI(A;ID;FA;;;SY)",
    "O:BAG:SYD:(A;;FA;;;SY)",
    "O:BAG:SYD:P(A;;FA;;;SY)",
    "O:BAG:SYD:PAI(A;;FA;;;SY)",
    "O:BAG:SYD:PNO_ACCESS_CONTROL",
    "O:BAG:SY",
    "O:BAG:SYD:",
    "D:",
)


def test_inherited_rules_do_not_count() -> None:
    assert sddl_module.same("O:BAG:SYD:AI(A;ID;FA;;;SY)", "O:BAG:SYD:AI(A;ID;FA;;;BA)(A;ID;FR;;;BU)")
    assert sddl_module.same("O:BAG:SYD:(A;;FA;;;SY)", "O:BAG:SYD:AI(A;;FA;;;SY)(A;ID;FA;;;BA)")


@pytest.mark.parametrize(
    "other",
    [
        "O:SYG:SYD:(A;;FA;;;SY)",
        "O:BAG:BAD:(A;;FA;;;SY)",
        "O:BAG:SYD:P(A;;FA;;;SY)",
        "O:BAG:SYD:(A;;FR;;;SY)",
        "O:BAG:SYD:(A;OICI;FA;;;SY)",
    ],
)
def test_what_is_set_counts(other: str) -> None:
    assert not sddl_module.same("O:BAG:SYD:(A;;FA;;;SY)", other)


@given(
    one=st.text("OGDSPAI:;()x0F", max_size=40) | st.sampled_from(DESCRIPTORS),
    other=st.text("OGDSPAI:;()x0F", max_size=40) | st.sampled_from(DESCRIPTORS),
)
def test_one_form_stands_for_all_that_say_the_same(one: str, other: str) -> None:
    form = sddl_module.normal_form(one)
    assert sddl_module.normal_form(form) == form
    assert sddl_module.same(one, form)
    assert (form == sddl_module.normal_form(other)) == sddl_module.same(one, other)
    if sddl_module.is_decoded(one) and sddl_module.is_decoded(other):
        assert sddl_module.same(one, other) == (sddl_module.parse(one) == sddl_module.parse(other))


def test_conditions_have_parentheses_of_their_own() -> None:
    sddl = 'O:BAD:(XA;;FX;;;WD;(@User.Title=="PM" && (Member_of {SID(BA)})))(A;;FA;;;SY)'
    assert len(list(sddl_module.entries(sddl))) == 2


def test_texts_of_conditions_may_have_anything() -> None:
    sddl = 'O:BAD:(XA;;FX;;;WD;(@User.Title=="a)(A;;FA;;;BU)O:SY("))(A;;FA;;;SY)'
    assert len(list(sddl_module.entries(sddl))) == 2
    assert sddl_module.parse(sddl).owner == "BA"
    assert sddl_module.is_decoded(sddl)


@pytest.mark.parametrize(
    "sddl",
    [
        "O:BAG:SYD:PAI(A;OICI;FA;;;SY)(D;OICIIOID;0x1301bf;;;S-1-5-21-1-2-3-500)S:AI(AU;SA;FA;;;WD)",
        "O:S-1-5-18G:DUD:(OA;;CCSD;bf967a86-0de6-11d0-a285-00aa003049e2;;AU)(A;;0777;;;s-1-1-0)(A;;1024;;;BA)",
        "D:",
        "D:P",
    ],
)
def test_what_windows_writes_is_decoded(sddl: str) -> None:
    assert sddl_module.is_decoded(sddl)


@pytest.mark.parametrize(
    ("rights", "mask"), [("0777", 0o777), ("0", 0), ("1024", 0x400), ("0X1F", 0x1F), ("-1", 0), ("1_0", 0)]
)
def test_numbers_are_those_of_windows(rights: str, mask: int) -> None:
    assert sddl_module.mask_of(rights) == mask


def test_no_list_and_an_empty_one_are_not_the_same() -> None:
    assert not sddl_module.same("O:BAG:SY", "O:BAG:SYD:")
    assert not sddl_module.same("O:BAD:(A;;FA;;;SY)(A;;FA;;;WD", "O:BAD:(A;;FA;;;SY)")


@pytest.mark.parametrize(
    "sddl", ["O:" * 80_000, "(D:A)" * 40_000, "D:" + "(A;;FA;;;SY)" * 15_000, "D:" + "(" * 80_000, 'D:("' * 40_000]
)
def test_a_long_descriptor_is_read_in_time(sddl: str) -> None:
    started = time.process_time()
    sddl_module.same(sddl, sddl + " ")
    list(sddl_module.rules(sddl))
    assert time.process_time() - started < 4


@pytest.mark.parametrize(
    ("rights", "reads"),
    [
        ("FA", True),
        ("FR", True),
        ("GR", True),
        ("0x1301bf", True),
        ("0x80000000", True),
        ("FX", False),
        ("0x20000", False),
        ("CCSD", True),
    ],
)
def test_readers_are_found(rights: str, reads: bool) -> None:
    sddl = f"O:SYD:P(A;;{rights};;;{SERVICE})(A;;FA;;;SY)"
    assert sddl_module.may_read(sddl, SERVICE) is reads
    assert not sddl_module.may_read(sddl, "BA", "S-1-5-32-544")
    assert not sddl_module.may_read(sddl.replace("(A;", "(D;"), SERVICE)


@given(sddl=st.text("OGDSPAI:;()x0F", max_size=40))
def test_any_text_is_read(sddl: str) -> None:
    sddl_module.parse(sddl)
    assert sddl_module.same(sddl, sddl)


@pytest.mark.parametrize(
    ("sddl", "expected"),
    [
        ("O:BAG:SYD:AI(A;OICIID;FA;;;SY)(D;ID;FW;;;BU)", "O:BAG:SYD:P(D;;FW;;;BU)(A;OICI;FA;;;SY)"),
        ("O:BAG:SYD:PAI(A;;FA;;;SY)", "O:BAG:SYD:P(A;;FA;;;SY)"),
        ("O:BAG:SYD:", "O:BAG:SYD:"),
    ],
)
def test_inherited_rules_become_own_ones(sddl: str, expected: str) -> None:
    assert sddl_module.with_own_rules(sddl) == expected
    assert sddl_module.same(sddl_module.with_own_rules(expected), expected)
