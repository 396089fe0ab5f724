"""A request becomes one canonical text, whose hash gives a component its identity, ID, seed and nickname."""

from __future__ import annotations

from machinable.identity import base62, canonical, nickname, seeds
from machinable.identity.request import Request, identity_of

__all__ = ["Request", "base62", "canonical", "identity_of", "nickname", "seeds"]
