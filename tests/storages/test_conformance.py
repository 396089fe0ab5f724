"""The promises of a storage, kept by each kind that there is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from machinable.store.location import locate
from machinable.testing.storages import StorageConformance
from tests.servers.proxy import proxy, xml
from tests.servers.s3 import S3Server


class TestDirectory(StorageConformance):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return str(tmp_path / "storage")


class TestMemory(StorageConformance):
    @pytest.fixture
    def url(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        # The machines are children of this process, which owns the memory.
        name = f"conformance{os.urandom(4).hex()}"
        directory = locate(f"mem://{name}")
        yield directory
        shutil.rmtree(directory, ignore_errors=True)


_FAULTS: dict[str, dict[str, Any]] = {
    "down": {"how": "cut"},
    "busy": {"how": "answer", "status": 503, "body": xml("SlowDown")},
    "cut": {"how": "lost"},
    "refused": {"how": "answer", "status": 400, "body": xml("ExpiredToken")},
}


@pytest.mark.xdist_group("conformance-s3")
class TestS3(StorageConformance):
    preload = ("obstore",)

    @pytest.fixture
    def url(self, s3_url: str, seaweed_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        with proxy(seaweed_server.endpoint) as between:
            monkeypatch.setenv("AWS_ENDPOINT_URL", between.endpoint)
            monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
            self.proxy = between
            yield s3_url

    def outage(self, url: str, how: str) -> Callable[[], None]:
        """Of writing; files that were sent although their answer was lost are sent again."""
        self.proxy.fail("^PUT .*(result|end-)", times=10_000, **_FAULTS[how])
        return self.proxy.heal


@pytest.mark.xdist_group("conformance-sftp")
class TestSftp(StorageConformance):
    preload = ("paramiko",)

    @pytest.fixture
    def url(self, sftp_url: str) -> str:
        return sftp_url


@pytest.mark.xdist_group("conformance-unconditional")
class TestServerThatIgnoresConditions(StorageConformance):
    excludes = False
    preload = ("obstore",)
    # nanio computes wrong signatures for odd names. The rest is as on S3, whose tests need not run twice.
    test_files_of_each_format_are_loaded_elsewhere = None  # type: ignore[assignment]
    test_output_table_and_state_are_seen_elsewhere = None  # type: ignore[assignment]
    test_a_failure_is_seen_elsewhere_with_its_traceback = None  # type: ignore[assignment]
    test_inputs_that_ran_elsewhere_are_used = None  # type: ignore[assignment]
    test_nothing_is_left_half_made = None  # type: ignore[assignment]

    @pytest.fixture
    def url(self, unconditional_url: str) -> str:
        return unconditional_url


class TestFsspecInMemory(StorageConformance):
    between_processes = False

    @pytest.fixture
    def url(self) -> str:
        pytest.importorskip("fsspec")
        return f"memory://conformance-{os.urandom(4).hex()}"
