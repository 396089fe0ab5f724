"""Suites of tests for what others build: engines (`EngineConformance`) and storages (`StorageConformance`)."""

from __future__ import annotations

__all__: list[str] = []
