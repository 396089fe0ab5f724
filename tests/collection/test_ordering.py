"""Values of any kinds have an order, and fall into groups, without a failure."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from machinable import Collection
from machinable.records.row import KEYS

VALUES: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, min_size=1, max_size=2)
    ),
    max_leaves=4,
)


def collection(values: list[Any]) -> Collection:
    rows = [
        {**dict.fromkeys(KEYS), "id": str(number), "path": str(number), "config": {"x": value}}
        for number, value in enumerate(values)
    ]
    return Collection.of(rows, "/nowhere")


def is_missing(value: Any) -> bool:
    return value is None or value != value


@given(st.lists(VALUES, min_size=1, max_size=8), st.booleans())
def test_every_one_is_sorted_once_and_what_is_missing_stays_last(values: list[Any], descending: bool) -> None:
    found = collection(values).sort("x", descending=descending)
    assert sorted(found.column("id"), key=int) == [str(number) for number in range(len(values))]
    missing = [is_missing(value) for value in found.column("x")]
    assert missing == sorted(missing)
    for kind in ((int, float), (str,)):
        alike = [value for value in found.column("x") if isinstance(value, kind) and not is_missing(value)]
        assert alike == sorted(alike, reverse=descending)


@given(st.lists(VALUES, min_size=1, max_size=8))
def test_equal_ones_keep_their_order(values: list[Any]) -> None:
    for descending in (False, True):
        once = collection(values).sort("x", descending=descending)
        assert once.sort("x", descending=descending).column("id") == once.column("id")


@given(st.lists(VALUES, min_size=1, max_size=8))
def test_every_one_is_in_one_group(values: list[Any]) -> None:
    groups = collection(values).group_by("x")
    assert sum(len(group) for group in groups.values()) == len(values)
    for value, group in groups.items():
        assert len(groups[value]) == len(group) and value in groups
        kinds = {isinstance(each, bool) for each in group.column("x")}
        assert len(kinds) == 1
    assert repr(groups) and groups._repr_html_()
