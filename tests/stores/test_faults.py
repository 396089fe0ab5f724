"""What networks and servers do to a store: what passes is tried again, what stays costs one clear line."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from machinable.errors import DependencyMissing, StorageError
from machinable.store.opening import open_store
from tests.servers.ports import free_ports
from tests.servers.proxy import xml
from tests.servers.s3 import KEY, SECRET, S3Server, enter
from tests.servers.sshd import Sshd
from tests.stores.conftest import Faulty

pytestmark = pytest.mark.xdist_group("storages")


def line_of(error: pytest.ExceptionInfo[BaseException]) -> str:
    """The message, which has to be one line that keeps the secret."""
    text = str(error.value)
    assert "\n" not in text and SECRET not in text
    return text


PASSING = [
    ("answer", {"status": 500, "body": xml("InternalError")}),
    ("answer", {"status": 503, "body": xml("SlowDown")}),
    ("answer", {"status": 429, "body": xml("TooManyRequests")}),
    ("cut", {}),
    ("lost", {}),
]


@pytest.mark.parametrize(("how", "options"), PASSING)
def test_what_passes_is_tried_again(faulty: Faulty, how: str, options: dict[str, object]) -> None:
    faulty.store.put("key", b"before")
    for method in ("PUT", "GET", "DELETE|POST"):
        faulty.proxy.fail(f"^({method}) .*(key|delete|list)", how, times=2, **options)
    faulty.store.put("key", b"after")
    assert faulty.store.get("key") == b"after"
    faulty.store.delete(["key"])
    assert faulty.store.get_many(["key"]) == {}


@pytest.mark.parametrize(("how", "options"), PASSING)
def test_a_listing_is_tried_again(faulty: Faulty, how: str, options: dict[str, object]) -> None:
    faulty.store.put("key", b"")
    faulty.proxy.fail("^GET .*list-type", how, times=2, **options)
    assert faulty.store.children() == ["key"]


def test_a_server_that_says_nothing_is_asked_again(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINABLE_STORE_TIMEOUT", "0.3")
    store = open_store(faulty.url)
    faulty.proxy.fail("PUT", "silence")
    store.put("key", b"data")
    faulty.proxy.fail("GET", "silence")
    assert store.get("key") == b"data"


@pytest.mark.parametrize(("how", "options"), PASSING)
def test_a_claim_whose_answer_was_lost_is_ours(faulty: Faulty, how: str, options: dict[str, object]) -> None:
    faulty.proxy.fail("PUT .*claim", how, **options)
    assert faulty.store.create("claim", b"ours")
    assert not faulty.store.create("claim", b"theirs")
    assert faulty.store.get("claim") == b"ours"


def test_a_claim_that_was_lost_to_another_is_theirs(faulty: Faulty) -> None:
    faulty.store.create("claim", b"theirs")
    faulty.proxy.fail("PUT .*claim", "lost")
    assert not faulty.store.create("claim", b"ours")


def test_large_files_survive_a_cut_in_the_middle(faulty: Faulty, tmp_path: Path) -> None:
    data = os.urandom(17 * 2**20)
    (tmp_path / "large").write_bytes(data)
    faulty.proxy.fail("PUT .*partNumber=2", "cut")
    faulty.proxy.fail("PUT .*partNumber=1", "lost")
    faulty.store.upload([("large", str(tmp_path / "large"))])
    faulty.proxy.fail("GET .*large", "answer", times=2, status=500)
    faulty.store.download([("large", str(tmp_path / "again"))])
    assert (tmp_path / "again").read_bytes() == data


def test_an_upload_that_fails_leaves_the_object_and_the_file(faulty: Faulty, tmp_path: Path) -> None:
    faulty.store.put("key", b"before")
    (tmp_path / "file").write_bytes(b"x" * 2**20)
    faulty.proxy.fail("PUT", "cut", times=99)
    with pytest.raises(StorageError, match="broke, after several attempts") as error:
        faulty.store.upload([("key", str(tmp_path / "file"))])
    line_of(error)
    faulty.proxy.heal()
    assert faulty.store.get("key") == b"before"
    assert (tmp_path / "file").stat().st_size == 2**20


LASTING = [
    (400, xml("ExpiredToken"), "the credentials have expired (ExpiredToken). Renew them"),
    (403, xml("InvalidAccessKeyId"), "refuses the credentials (InvalidAccessKeyId)"),
    (403, xml("SignatureDoesNotMatch"), "refuses the credentials (SignatureDoesNotMatch)"),
    (403, xml("AccessDenied"), "denies access (AccessDenied)"),
    (403, xml("RequestTimeTooSkewed"), "the clock of this machine is wrong"),
    (404, xml("NoSuchBucket"), "there is no bucket 'lab'"),
    (
        400,
        xml("AuthorizationHeaderMalformed", more="<Region>eu-west-1</Region>"),
        "it is in eu-west-1: set AWS_REGION=eu-west-1",
    ),
    (301, xml("PermanentRedirect"), "not in the region that was asked: set AWS_REGION"),
    (503, xml("SlowDown"), "asks to slow down (SlowDown), after several attempts"),
    (500, xml("InternalError"), "answers with an error (InternalError), after several attempts"),
    (418, b"", "refuses the request (418)"),
]


@pytest.mark.parametrize(("status", "body", "expected"), LASTING)
def test_what_lasts_is_one_line(faulty: Faulty, status: int, body: bytes, expected: str) -> None:
    faulty.proxy.fail("", "answer", times=99, status=status, body=body)
    for action in (
        lambda: faulty.store.put("key", b""),
        lambda: faulty.store.get("key"),
        lambda: faulty.store.get_many(["a", "b", "c"]),
        lambda: faulty.store.create("key", b""),
        lambda: faulty.store.entries(),
        lambda: faulty.store.children(),
    ):
        with pytest.raises(StorageError, match=re.escape(expected)) as error:
            action()
        assert line_of(error).startswith(f"{faulty.url}: ")


def test_a_server_that_stays_silent_is_one_line(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINABLE_STORE_TIMEOUT", "0.1")
    faulty.proxy.fail("", "silence", times=99)
    with pytest.raises(StorageError, match="does not answer in time"):
        open_store(faulty.url).get("key")


def test_a_server_that_is_not_there_is_one_line(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(StorageError, match=f"127.0.0.1:{port} can not be reached") as error:
        open_store(faulty.url).get("key")
    line_of(error)


def test_a_server_that_knows_no_conditions_can_not_be_claimed(faulty: Faulty) -> None:
    faulty.proxy.fail("PUT .*probe", "answer", times=99, status=501, body=xml("NotImplemented"))
    assert not faulty.store.can_claim


def test_the_clock_of_a_read_only_storage_is_this_machines(faulty: Faulty) -> None:
    faulty.proxy.fail("PUT", "answer", times=99, status=403, body=xml("AccessDenied"))
    assert faulty.store.now() > 1e9


PROFILES = """\
[default]
region = us-east-1

[profile lab]
services = local
[services local]
s3 =
  endpoint_url = {endpoint}
"""


def test_profiles_are_read_as_the_clouds_own_tools_do(
    seaweed_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / ".aws"
    home.mkdir()
    (home / "config").write_text(PROFILES.format(endpoint=seaweed_server.endpoint))
    (home / "credentials").write_text(f"[lab]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    enter(monkeypatch, {"HOME": str(tmp_path), "AWS_PROFILE": "lab", "AWS_EC2_METADATA_DISABLED": "true"})
    store = open_store("s3://lab/profiles")
    store.put("key", b"by profile")
    assert store.get("key") == b"by profile"

    monkeypatch.setenv("AWS_PROFILE", "absent")
    with pytest.raises(StorageError, match="AWS_PROFILE names 'absent'"):
        open_store("s3://lab/profiles").get("key")
    monkeypatch.delenv("AWS_PROFILE")
    with pytest.raises(StorageError, match="there are no credentials"):
        open_store("s3://lab/profiles").get("key")


def test_credentials_that_were_renewed_meanwhile_are_read_again(
    faulty: Faulty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = old\naws_secret_access_key = old\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    faulty.proxy.fail("PUT", "answer", status=400, body=xml("ExpiredToken"))
    store = open_store(faulty.url)
    with pytest.raises(StorageError, match="expired"):
        store.put("key", b"")
    faulty.proxy.fail("PUT", "answer", status=400, body=xml("ExpiredToken"))
    file.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    store.put("key", b"renewed")
    assert store.get("key") == b"renewed"


def test_wrong_credentials_of_a_real_server_are_one_line(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="refuses the credentials") as error:
        open_store(s3_url).put("key", b"")
    line_of(error)


def test_ssh_host_that_is_not_there(sftp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    (port,) = free_ports(1)
    with pytest.raises(StorageError, match=f"127.0.0.1:{port} can not be reached"):
        open_store(f"sftp://somebody@127.0.0.1:{port}/tmp").get("key")


def test_ssh_host_whose_key_is_unknown(
    sftp_url: str, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        StorageError, match=r"key of 127\.0\.0\.1:.* is not known here. Connect once by: ssh -p"
    ):
        open_store(f"sftp://root@127.0.0.1:{ssh_server.port}/tmp").get("key")


def test_ssh_host_that_refuses_the_key(sftp_url: str, ssh_server: Sshd, tmp_path: Path) -> None:
    config = ssh_server.home / ".ssh" / "config"
    known = re.search(r"UserKnownHostsFile (.*)", config.read_text())
    assert known is not None
    config.write_text(
        f"{config.read_text()}\nHost stranger\n  HostName 127.0.0.1\n  Port {ssh_server.port}\n"
        f"  User nobody\n  UserKnownHostsFile {known[1]}\n"
    )
    with pytest.raises(StorageError, match=r"there is no key for stranger|refuses the credentials") as error:
        open_store("sftp://:secret@stranger/tmp").get("key")
    assert "secret" not in str(error.value)


def test_ssh_connections_that_break_are_opened_again(sftp_url: str) -> None:
    store = open_store(sftp_url)
    store.put("key", b"data")
    # What a network that went away leaves: a connection that is closed at the next use.
    store._open()._client.close()  # type: ignore[attr-defined]
    assert store.get("key") == b"data"
    store._open()._client.get_transport().sock.close()  # type: ignore[attr-defined]
    store.put_many([("a", b"1"), ("b", b"2")])
    assert store.get_many(["a", "b", "key"]) == {"a": b"1", "b": b"2", "key": b"data"}


def test_a_directory_that_may_not_be_written(sftp_url: str) -> None:
    with pytest.raises(StorageError) as error:
        open_store("sftp://lab/proc/nothing").put("key", b"")
    assert "\n" not in str(error.value)


def test_a_library_that_is_missing_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, s3_url: str
) -> None:
    import sys

    for url, module, extra in [
        (s3_url, "obstore", "s3"),
        ("gs://bucket/x", "obstore", "gs"),
        ("sftp://host/x", "paramiko", "sftp"),
        ("memory://x", "fsspec", "fsspec"),
    ]:
        with monkeypatch.context() as context:
            context.setattr("machinable.store.runtime._pid", 0)
            context.setitem(sys.modules, module, None)
            with pytest.raises(DependencyMissing, match=re.escape(f"pip install 'machinable[{extra}]'")):
                open_store(url).get("key")
