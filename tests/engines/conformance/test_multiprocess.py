"""`multiprocess`, and kept workers, keep the promises of an engine."""

from __future__ import annotations

from machinable.testing.engines import EngineConformance


class TestMultiprocess(EngineConformance):
    engine = "multiprocess"
    version = {"processes": 2}
    many = 50


class TestKeptWorkers(EngineConformance):
    engine = "native:2"
    version = {"reuse_processes": True}
