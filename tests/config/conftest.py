"""How these tests configure: a class of the module `train` with a given `Config`, and a version of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from machinable.config import Resolution, normalise, resolve


def make(config: Any = None, **members: Any) -> type:
    """An interface class as a user could have written it in train.py."""
    if config is not None:
        members["Config"] = config
    return type("Train", (), {"__module__": "train", **members})


def configure(config: Any, *version: Any, require: bool = True, **members: Any) -> Resolution:
    """The configuration of a class with this `Config` (or of the class itself) under the layers of a version."""
    owner = (config if getattr(config, "__module__", "") == "train" else make(config, **members))()
    layers = normalise(list(version))
    return resolve(owner, layers, lambda view: setattr(owner, "config", view), require=require)


# Both are plain functions, so that property tests may use them as well.
@pytest.fixture(scope="session")
def interface() -> Callable[..., type]:
    return make


@pytest.fixture(scope="session")
def configured() -> Callable[..., Resolution]:
    return configure
