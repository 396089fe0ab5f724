"""The vectors in tests/data/vectors.json hold for ever.

If a test fails here, the code is wrong: with it, every stored result would be asked for under another name. Vectors
may be added, but never changed.
"""

from __future__ import annotations

import json
import pathlib
import struct
from hashlib import blake2b
from typing import Any

import pytest

from machinable.identity import Request, base62, canonical, identity_of, nickname, seeds

FILE = pathlib.Path(__file__).parents[1] / "data" / "vectors.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def each(name: str, key: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[name], ids=lambda vector: str(vector[key])[:40])


def test_the_file_itself_has_not_changed() -> None:
    # Of the values, not of the bytes, so that line ends and spaces do not matter.
    fingerprint = blake2b(canonical.encode(canonical.plain(VECTORS)), digest_size=16).hexdigest()
    assert fingerprint == "fde6e27fa04b6d2de1259d0c75c09445"


@each("canonical_json", "text")
def test_canonical_json_is_as_it_always_was(vector: dict[str, Any]) -> None:
    value = canonical.plain(json.loads(vector["input"]))
    assert canonical.encode(value) == vector["text"].encode()


@each("floats", "text")
def test_floats_are_written_as_they_always_were(vector: dict[str, Any]) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(vector["bits"]))
    assert canonical.encode(canonical.plain(value)) == vector["text"].encode()


@each("requests", "about")
def test_requests_have_the_identity_id_and_seed_that_they_always_had(vector: dict[str, Any]) -> None:
    request = Request.from_document(vector["document"])
    assert request.canonical() == vector["canonical"].encode()
    assert request.identity == identity_of(vector["document"]) == vector["identity"]
    assert request.id == vector["id"]
    assert request.derived_seed == vector["derived_seed"]


@each("base62", "number")
def test_base62_is_as_it_always_was(vector: dict[str, Any]) -> None:
    number = int(vector["number"])
    assert base62.encode(number, len(vector["digits"])) == vector["digits"]
    assert base62.decode(vector["digits"]) == number


@each("execution_ids", "id")
def test_execution_ids_are_as_they_always_were(vector: dict[str, Any]) -> None:
    assert seeds.execution_id(vector["seed"]) == vector["id"]
    assert seeds.parse_seed(vector["id"]) == seeds.parse_seed(vector["seed"]) == vector["seed"]


@each("trial_seeds", "module")
def test_trials_have_the_seeds_that_they_always_had(vector: dict[str, Any]) -> None:
    identity = seeds.plan_identity(vector["module"], vector["class"], vector["config"])
    assert identity == vector["plan_identity"]
    for trial in vector["seeds"]:
        assert seeds.trial_seed(trial["global_seed"], identity, trial["trial"]) == trial["seed"]


def test_nicknames_are_as_they_always_were() -> None:
    for id, name in VECTORS["nicknames"].items():
        assert nickname.nickname(id) == name
    for words, name in ((nickname.ADJECTIVES, "adjectives"), (nickname.NOUNS, "nouns")):
        fingerprint = blake2b(" ".join(words).encode(), digest_size=16).hexdigest()
        assert fingerprint == VECTORS["nickname_words"][name]
