# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checker of JSON shapes: it lets pass what a shape lists, and names the first value that is wrong."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._shape import (
    ShapeError,
    at_most,
    between,
    checked,
    conforming,
    fault_of,
    matching,
    readable,
)
from hypothesis import given
from hypothesis import strategies as st


class Key(TypedDict):
    present: bool
    bits: NotRequired[int]


class Certificate(TypedDict):
    thumbprint: Annotated[str, matching("[0-9A-F]{4}", "4 hexadecimal digits")]
    key: Key
    mode: Annotated[int, between(0, 3)] | None
    usages: Annotated[list[str], at_most(2)]
    state: Literal["live", "stopped"]
    values: dict[str, int | list[str]]
    age: NotRequired[float]


GOOD: dict[str, Any] = {
    "thumbprint": "00AB",
    "key": {"present": True, "bits": 4096},
    "mode": None,
    "usages": ["1.2.3"],
    "state": "live",
    "values": {"port": 443, "names": ["a", "b"]},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(sorted(GOOD)), inner, max_size=5)
    ),
    max_leaves=12,
)


def test_what_a_shape_lists_is_kept_and_nothing_else() -> None:
    value = GOOD | {"ansible_facts": {"x": 1}, "key": {"present": True, "bits": 4096, "add_host": {}}}
    assert checked(value, Certificate) == GOOD
    assert fault_of(value, Certificate) is None
    assert conforming(value, Certificate) is value


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"thumbprint": 5}, "'thumbprint' is a number, and must be a text"),
        ({"thumbprint": "00ab"}, "'thumbprint' is a text, '00ab', and must be 4 hexadecimal digits"),
        ({"thumbprint": "0" * 99}, "'thumbprint' is a text of 99 letters, and must be 4 hexadecimal digits"),
        ({"thumbprint": "00AB\n"}, "'thumbprint' is a text, '00AB\\n', and must be 4 hexadecimal digits"),
        ({"key": []}, "'key' is a list, and must be an object"),
        ({"key": {}}, "'key.present' is missing"),
        ({"key": {"present": 1}}, "'key.present' is a number, and must be true or false"),
        (
            {"key": {"present": True, "bits": True}},
            "'key.bits' is true or false, and must be a whole number of 64 bits",
        ),
        ({"key": {"present": True, "bits": 2**63}}, "'key.bits' is a number, and must be a whole number of 64 bits"),
        ({"mode": 4}, "'mode' is a number, '4', and must be a number from 0 to 3 or null"),
        ({"mode": "1"}, "'mode' is a text, and must be a whole number of 64 bits or null"),
        ({"usages": ["a", 1]}, "'usages[1]' is a number, and must be a text"),
        ({"usages": ["a", "b", "c"]}, "'usages' is a list of 3 entries, and must be of at most 2 entries or letters"),
        ({"state": "LIVE"}, "'state' is a text, 'LIVE', and must be 'live' or 'stopped'"),
        ({"state": ["live"]}, "'state' is a list of 1 entries, and must be 'live' or 'stopped'"),
        ({"values": {"x": None}}, "'values.x' is null, and must be a whole number of 64 bits or a list"),
        ({"values": {"x": [1]}}, "'values.x[0]' is a number, and must be a text"),
        (
            {"values": {"\x1b[2J" + "y" * 99: None}},
            "'values.\\x1b[2J" + "y" * 53 + "...' is null, and must be a whole number of 64 bits or a list",
        ),
        ({"age": float("nan")}, "'age' is a number, and must be a number"),
        ({"age": 10**400}, "'age' is a number, and must be a number"),
    ],
)
def test_the_first_wrong_value_is_named_with_what_it_is_and_must_be(change: dict[str, Any], sentence: str) -> None:
    assert fault_of(GOOD | change, Certificate) == sentence
    with pytest.raises(ShapeError):
        checked(GOOD | change, Certificate)


def test_a_wrong_value_without_a_rule_is_not_shown_since_it_may_be_secret() -> None:
    class Export(TypedDict):
        password: str

    assert "4711" not in str(fault_of({"password": [4711]}, Export)) + str(fault_of({"password": 4711}, Export))


@pytest.mark.parametrize("key", sorted(GOOD))
def test_missing_key_is_named(key: str) -> None:
    assert fault_of({name: value for name, value in GOOD.items() if name != key}, Certificate) == f"'{key}' is missing"


def test_a_whole_that_is_no_object_is_called_it_or_by_its_name() -> None:
    assert fault_of([], Certificate) == "it is a list, and must be an object"
    assert fault_of(None, Certificate, "answer") == "'answer' is null, and must be an object"
    assert fault_of({"a": 1}, list[int]) == "it is an object, and must be a list"


@given(JSON, st.sampled_from(sorted(GOOD)))
def test_whatever_comes_is_kept_whole_or_named_in_one_printable_sentence(value: Any, key: str) -> None:
    for thing in (value, GOOD | {key: value}):
        fault = fault_of(thing, Certificate)
        if fault is None:
            assert checked(thing, Certificate).keys() <= GOOD.keys() | {"age"}
        else:
            assert fault.isprintable()


def test_a_type_that_json_has_not_is_no_shape() -> None:
    with pytest.raises(TypeError):
        fault_of(1, set[int])


# ---- what can be read ----


class Listed(TypedDict):
    name: str | None
    state: Literal["live", "stopped"] | None
    usages: Annotated[list[str], at_most(2)]
    values: dict[str, int | list[str]]
    keys: list[Key]


NOTHING: dict[str, Any] = {"name": None, "state": None, "usages": [], "values": {}, "keys": []}


def test_what_has_its_shape_is_read_as_it_is() -> None:
    whole = {"name": "a", "state": "live", "usages": ["1"], "values": {"a": 1}, "keys": [{"present": True, "bits": 1}]}
    assert readable(whole | {"more": 1}, Listed) == whole


@pytest.mark.parametrize("value", [None, 7, "text", [], {}, {"keys": {}, "name": []}])
def test_what_is_not_there_is_read_as_nothing(value: Any) -> None:
    assert readable(value, Listed) == NOTHING


def test_what_has_another_shape_is_left_out_and_the_rest_is_read() -> None:
    keys = [{"present": True, "bits": "many", "more": 1}, 7, {"bits": 2048}]
    value = {"name": 7, "state": "gone", "usages": ["1", 2], "values": {"a": 1, "b": ["x", 7], "c": None}, "keys": keys}
    assert readable(value, Listed) == {
        "name": None,
        "state": None,
        "usages": ["1"],
        "values": {"a": 1, "b": ["x"]},
        "keys": [{"present": True, "bits": 0}, {"present": False, "bits": 2048}],
    }
    assert readable({"usages": ["1", "2", "3"]}, Listed)["usages"] == [], "its rule is of the shape too"


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NOTHING, JSON)) | JSON)
def test_whatever_is_read_has_the_shape(value: Any) -> None:
    assert fault_of(readable(value, Listed), Listed) is None
