"""YAML is read with the line of every key, and nothing in it is lost silently."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.config.yaml_lines import dump_yaml, parse_yaml, read_yaml
from workflow_src.errors import UserError

HERE = Path("some.yaml")


def test_every_key_and_list_entry_has_its_line() -> None:
    text = "# comment\na: 1\n\nb:\n  c: [x,\n      y]\n  d:\n    - e: 2\n    - f: 3\n"
    lines = parse_yaml(text, HERE).lines
    assert lines == {
        (): 1,
        ("a",): 2,
        ("b",): 4,
        ("b", "c"): 5,
        ("b", "c", 0): 5,
        ("b", "c", 1): 6,
        ("b", "d"): 7,
        ("b", "d", 0): 8,
        ("b", "d", 0, "e"): 8,
        ("b", "d", 1): 9,
        ("b", "d", 1, "f"): 9,
    }


def test_an_anchor_is_the_same_value_wherever_it_is_used() -> None:
    document = parse_yaml("a: &grid\n  x: [1, 2]\nb: *grid\n", HERE)
    assert document.value == {"a": {"x": [1, 2]}, "b": {"x": [1, 2]}}
    assert document.place(("b", "x")) == "some.yaml, line 2, key b.x"


def test_the_place_of_a_key_that_is_absent_is_its_nearest_parent() -> None:
    document = parse_yaml("top: 1\na:\n  b: 2\n", HERE)
    assert document.place(("a", "missing", 3)) == "some.yaml, line 2, key a.missing[3]"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("-2E+4", -2e4), ("1.5e-3", 1.5e-3), ("'1e-3'", "1e-3"), ("1e", "1e")],
)
def test_powers_of_ten_without_a_dot_are_numbers(text: str, value: object) -> None:
    assert parse_yaml(f"a: {text}\n", HERE).value == {"a": value}


# Powers of ten without a dot are the one thing read otherwise.
_TEXT = st.text().filter(lambda text: not re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", text))
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), _PLAIN))
def test_plain_values_are_read_as_pyyaml_reads_them(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value)
    assert parse_yaml(text, HERE).value == yaml.safe_load(text)


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert parse_yaml("# nothing yet\n", HERE).value == {}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is given twice, first in line 1"),
        ("x:\n  a: 1\n  a: 1\n", 3, "the key 'x.a' is given twice, first in line 2"),
        ("a: 1\nb: [1, 2\n", 3, "not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: 1\n7: 2\n", 2, "the key '7' is no text"),
        ("a: 1\n[b]: 2\n", 2, "is no text"),
        ("- a\n- b\n", 1, "the file is no mapping"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "merge keys"),
        ("a: 1\nb: &b\n  c: *b\n", 2, "an anchor contains itself"),
        ("a: 2020-13-45\n", 1, "cannot be read"),
        ("a: !!python/object:os.system {}\nb: !thing 1\n", 2, "not valid YAML"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_yaml(text, HERE)
    assert said in str(caught.value)
    assert caught.value.place is not None
    assert caught.value.place.startswith(f"some.yaml, line {line}")


def test_a_missing_file_a_directory_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent.yaml", tmp_path, binary):
        with pytest.raises(UserError) as caught:
            read_yaml(path)
        assert str(path) in str(caught.value)


@given(
    st.dictionaries(st.text(), _PLAIN | st.from_regex(r"[0-9]{1,6}[eE][0-9]{1,6}", fullmatch=True))
)
def test_what_is_written_is_read_again(value: dict[str, object]) -> None:
    assert parse_yaml(dump_yaml(value), HERE).value == value
