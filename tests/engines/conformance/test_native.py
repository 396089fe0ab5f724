"""The engines for one machine keep the promises of an engine, and so does one that a user writes in ten lines."""

from __future__ import annotations

from machinable.testing.engines import EngineConformance

_ONE_PROCESS = "components run in the coordinator's process, and end with it"


class TestNative(EngineConformance):
    engine = "native:2"


class TestNativeInThisProcess(EngineConformance):
    engine = "native"
    many = 50
    unsupported = {
        "test_a_worker_that_is_killed_fails_its_component_alone": _ONE_PROCESS,
        "test_with_retries_what_was_killed_runs_again_and_what_raised_does_not": _ONE_PROCESS,
    }


class TestOwn(EngineConformance):
    """Waits for nobody's scheduler: what `docs/running.md` shows as an execution of one's own."""

    engine = "pooled"
    version = {"processes": 2}
    many = 50
    modules = {
        "pooled.py": """
            from multiprocessing import Pool

            from machinable import Execution


            class Pooled(Execution):
                Config = {"processes": 1}

                def __call__(self):
                    with Pool(self.config.processes, maxtasksperchild=1) as pool:
                        for _ in pool.imap_unordered(
                            lambda component: component.dispatch(), self.pending_executables
                        ):
                            pass
        """
    }
    unsupported = {
        "test_a_worker_that_is_killed_fails_its_component_alone": "a Pool waits for ever for a killed worker",
        "test_with_retries_what_was_killed_runs_again_and_what_raised_does_not": "it has no retries",
    }
