"""A class and a version become one frozen configuration, without I/O."""

from __future__ import annotations

from machinable.config.field import REQUIRED, Field, FieldInfo
from machinable.config.resolve import Resolution, resolve
from machinable.config.schema import Schema, schema_of
from machinable.config.versions import Sourced, normalise, parse_call
from machinable.config.view import ConfigView

__all__ = [
    "REQUIRED",
    "ConfigView",
    "Field",
    "FieldInfo",
    "Resolution",
    "Schema",
    "Sourced",
    "normalise",
    "parse_call",
    "resolve",
    "schema_of",
]
