"""Requests: document, identity, ID and seed."""

from __future__ import annotations

import copy
import json
import pickle
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machinable.errors import ConfigurationError, StorageError
from machinable.identity import Request, base62, canonical, identity_of

steady = settings(deadline=None)  # the clock of a busy machine proves nothing

KEYS = {"v", "namespace", "module", "class", "config", "scope", "uses", "seed", "trial", "counter"}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
mappings = st.dictionaries(texts, scalars | st.lists(scalars, max_size=3), max_size=4).map(canonical.plain)
identities = st.binary(min_size=32, max_size=32).map(bytes.hex)
requests = st.builds(
    Request,
    module=texts,
    class_name=texts,
    config=mappings,
    scope=mappings | st.none(),
    uses=st.dictionaries(texts, identities, max_size=2) | st.none(),
    namespace=texts | st.none(),
    seed=st.integers(0, 62**6) | st.none(),
    trial=st.integers(0, 99) | st.none(),
    counter=st.integers(0, 99),
)


def request(**changes: Any) -> Request:
    return Request(**{"module": "train", "class_name": "Train", "config": {"lr": 0.1}, **changes})


@given(requests)
@steady
def test_the_hashed_text_is_the_canonical_json_of_the_document(asked: Request) -> None:
    assert set(asked.document()) == KEYS
    assert asked.canonical() == canonical.encode(asked.document())
    assert asked.identity == blake2b(asked.canonical(), digest_size=32).hexdigest()


@given(requests)
@steady
def test_the_identity_can_be_computed_again_from_the_stored_document(asked: Request) -> None:
    stored = json.loads(json.dumps(asked.document(), indent=2))
    assert identity_of(stored) == asked.identity
    assert Request.from_document(stored).identity == asked.identity


@given(requests)
@steady
def test_id_and_seed_are_taken_from_the_identity(asked: Request) -> None:
    assert base62.decode(asked.id) == int(asked.identity, 16) % 62**12
    assert len(asked.id) == 12
    assert asked.derived_seed == int(asked.identity[:8], 16)


@given(requests, st.integers(0, 10**6), st.booleans())
@steady
def test_another_counter_gives_what_a_request_with_it_would(
    asked: Request, counter: int, before: bool
) -> None:
    if before:
        assert asked.identity  # computed, so that its text is shared
    other = asked.with_counter(counter)
    assert other.document() == {**asked.document(), "counter": counter}
    assert other.identity == identity_of(other.document())
    assert (other == asked) == (counter == asked.counter)


@given(requests)
@steady
def test_a_request_survives_pickling_and_copying(asked: Request) -> None:
    for again in (pickle.loads(pickle.dumps(asked)), copy.deepcopy(asked)):
        assert again == asked
        assert hash(again) == hash(asked)
        assert again.document() == asked.document()


@pytest.mark.parametrize(
    "change",
    [
        {"module": "other"},
        {"class_name": "Other"},
        {"config": {"lr": 0.2}},
        {"config": {"lr": 0.1, "l2": 0.0}},
        {"scope": {"run": 1}},
        {"uses": {"data": "0" * 64}},
        {"namespace": "lab"},
        {"namespace": ""},
        {"seed": 0},
        {"trial": 0},
        {"counter": 1},
    ],
    ids=str,
)
def test_each_part_of_the_request_is_part_of_the_identity(change: dict[str, Any]) -> None:
    assert request(**change).identity != request().identity
    assert request(**change) != request()


def test_equal_configurations_have_equal_identities_in_any_order_of_keys() -> None:
    one = request(config={"a": 1, "b": {"c": 2, "d": 3}})
    other = request(config={"b": {"d": 3, "c": 2}, "a": 1})
    assert one.identity == other.identity
    assert one == other


def test_an_empty_scope_and_empty_uses_are_none_at_all() -> None:
    assert request(scope={}, uses={}).identity == request(scope=None, uses=None).identity


def test_text_in_the_configuration_can_not_pass_for_another_part_of_the_document() -> None:
    tricky = request(config={"a": '"},"counter":7,"module":"x'})
    assert json.loads(tricky.canonical()) == tricky.document()


def test_a_document_of_a_later_version_is_refused_by_name() -> None:
    with pytest.raises(StorageError, match="version 2"):
        Request.from_document({**request().document(), "v": 2})


def test_a_document_without_one_of_its_keys_is_refused_by_name() -> None:
    for key in KEYS - {"v"}:
        document = request().document()
        del document[key]
        with pytest.raises(StorageError, match=key):
            Request.from_document(document)


def test_a_document_that_is_not_plain_has_no_identity() -> None:
    with pytest.raises(ConfigurationError, match=r"config\.lr is nan"):
        identity_of(request(config={"lr": float("nan")}).document())


def test_a_request_shows_its_id_module_and_configuration() -> None:
    assert repr(request()) == f'<Request {request().id} train:Train {{"lr":0.1}}>'
