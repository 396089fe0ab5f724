"""URLs of storages: one normal form, no secrets, and a mirror for each storage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machinable.errors import StorageError
from machinable.store import azure
from machinable.store.location import locate
from machinable.store.remote import store_of, url_of
from machinable.store.url import parse, redacted
from tests.conftest import Workspace

NAMES = st.text("abcXYZ019-_.", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))
PASSWORDS = st.text("pqrs!$%&+= ü", min_size=3, max_size=9)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("s3://bucket", "s3://bucket"),
        ("S3://bucket//a/./b/", "s3://bucket/a/b"),
        ("s3a://bucket/a", "s3://bucket/a"),
        ("gcs://bucket/a", "gs://bucket/a"),
        ("abfss://box@account.dfs.core.windows.net/a", "az://box@account.dfs.core.windows.net/a"),
        ("ssh://host/data", "sftp://host/data"),
        ("sftp://me:secret@host:2222/data/", "sftp://me@host:2222/data"),
        ("ftp://me:se:cr@et@host/x", "ftp://me@host/x"),
        ("memory://a/b", "memory://a/b"),
    ],
)
def test_normal_form(url: str, normal: str) -> None:
    assert parse(url).url == normal


@given(st.sampled_from(["sftp", "ftp", "webdav"]), NAMES, PASSWORDS, NAMES, st.lists(NAMES, max_size=3))
def test_a_password_is_known_but_in_no_url(
    scheme: str, user: str, password: str, host: str, parts: list[str]
) -> None:
    location = parse(f"{scheme}://{user}:{password}@{host}/{'/'.join(parts)}")
    assert location.password == password
    assert location.url == f"{scheme}://{user}@{host}" + "".join(f"/{part}" for part in parts)
    assert parse(location.url).url == location.url


@given(st.text("ab:/ ", max_size=9), NAMES, PASSWORDS.filter(lambda password: " " not in password))
def test_texts_lose_the_passwords_of_urls_and_nothing_else(before: str, user: str, password: str) -> None:
    text = f"{before} --storage=ftp://{user}:{password}@host:21/x {before}"
    assert redacted(text) == f"{before} --storage=ftp://{user}@host:21/x {before}"


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_one_clear_line(text: str) -> None:
    try:
        location = parse(text)
    except StorageError as error:
        assert "\n" not in str(error)
    else:
        assert parse(location.url).url == location.url


@pytest.mark.parametrize(
    "url", ["s3://", "s3:///key", "s3://bucket/../other", "s3://bucket/a\nb", "bucket/a"]
)
def test_what_is_no_url_is_one_line(url: str) -> None:
    with pytest.raises(StorageError) as error:
        parse(url)
    assert "\n" not in str(error.value)


def test_a_mirror_says_what_it_mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINABLE_CACHE", str(tmp_path))
    root = locate("s3://bucket//results/")
    assert root == locate("s3a://bucket/results") and os.path.dirname(root) == str(tmp_path)
    document = json.loads(Path(root, ".machinable", "mirror.json").read_text())
    assert (document["format"], document["kind"], document["url"]) == (1, "mirror", "s3://bucket/results")
    assert url_of(root) == "s3://bucket/results" and store_of(root) is store_of(root)
    assert locate("s3://bucket/other") != root


def test_two_servers_with_the_same_bucket_have_a_mirror_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MACHINABLE_CACHE", str(tmp_path))
    roots = set()
    for endpoint in ("", "http://127.0.0.1:1", "http://127.0.0.1:2"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        roots.add(locate("s3://bucket/results"))
    assert len(roots) == 3


def test_directories_mirror_nothing(tmp_path: Path) -> None:
    assert store_of(str(tmp_path)) is None
    (tmp_path / "mirror-of-mine").mkdir()
    assert store_of(str(tmp_path / "mirror-of-mine")) is None


def test_passwords_reach_children_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINABLE_CACHE", str(tmp_path))
    before = dict(os.environ)
    root = locate("sftp://me:hunter2@host/data")
    for name in set(os.environ) - set(before):
        monkeypatch.setenv(name, os.environ[name])  # removed again at the end
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert "hunter2" not in str(store_of(root))
    source = "import sys; from machinable.store.remote import store_of; print(store_of(sys.argv[1])._location.password)"
    done = subprocess.run([sys.executable, "-c", source, root], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "hunter2"


def test_a_password_on_the_command_line_is_kept_nowhere(workspace: Workspace) -> None:
    pytest.importorskip("fsspec")
    workspace.write(
        "one.py", "from machinable import Component\nclass One(Component):\n    Config = {'n': 0}\n"
    )
    url, cache = "memory://me:hunter2@host/x", workspace.root / "cache"
    done = workspace.command(
        "--storage", url, "one", "n=1", "native", "--launch", MACHINABLE_CACHE=str(cache)
    )
    assert done.returncode == 0 and "hunter2" not in done.stdout + done.stderr
    files = [path for path in workspace.root.rglob("*") if path.is_file()]
    assert [path for path in files if path.parent.name == "runs"]
    assert not [path for path in files if b"hunter2" in path.read_bytes()]


def test_a_cache_that_can_not_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MACHINABLE_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="set MACHINABLE_CACHE to another directory"):
        locate("s3://bucket/x")


def test_connection_strings_of_azure() -> None:
    text = "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=a+b/c==;EndpointSuffix=core.windows.net"
    assert azure.settings("box", {"AZURE_STORAGE_CONNECTION_STRING": text}) == {
        "account_name": "me",
        "account_key": "a+b/c==",
    }
    assert azure.settings("box@other.dfs.core.windows.net", {}) == {"account_name": "other"}
    with pytest.raises(StorageError, match="no storage account is named"):
        azure.settings("box", {})
