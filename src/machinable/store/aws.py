"""Where AWS's own tools read credentials, region and endpoint of S3: the environment, then the profile's files."""

from __future__ import annotations

import os

from machinable.errors import DependencyMissing, StorageError

__all__ = ["endpoint", "settings"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FROM_ELSEWHERE = (
    "credential_process",
    "sso_session",
    "sso_start_url",
    "role_arn",
    "web_identity_token_file",
)
# Of these, obstore itself takes the credentials.
_IN_ENVIRONMENT = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
_METADATA = ("169.254.169.254", 80)  # the instance metadata service of EC2

_parsed: dict[str, tuple[tuple[int, int], dict[str, dict[str, str]]]] = {}


def endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """The endpoint that is set for S3; empty for Amazon's own."""
    if environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return ""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        if environment.get(name):
            return environment[name].rstrip("/")
    profile, sections = _profile(environment)
    services = profile.get("services", "")
    service = sections.get(f"services {services}", {}) if services else {}
    return (service.get("s3.endpoint_url") or profile.get("endpoint_url") or "").rstrip("/")


def settings(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What `S3Store` of obstore is to be told: region and credentials (not the endpoint).

    Raises:
        StorageError: If there are no credentials, or the profile that is asked for does not exist.
        DependencyMissing: If the profile takes its credentials from somewhere that only boto3 knows to ask.
    """
    profile, _ = _profile(environment)
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or profile.get("region")
    found: dict[str, Any] = {"region": region or "us-east-1"}
    if environment.get("AWS_SKIP_SIGNATURE", "").lower() == "true":
        return {**found, "skip_signature": True}
    if environment.get("AWS_ACCESS_KEY_ID"):
        found["access_key_id"] = environment["AWS_ACCESS_KEY_ID"]
        found["secret_access_key"] = environment.get("AWS_SECRET_ACCESS_KEY", "")
        if environment.get("AWS_SESSION_TOKEN"):
            found["session_token"] = environment["AWS_SESSION_TOKEN"]
    elif profile.get("aws_access_key_id") and not profile.get("role_arn"):
        found["access_key_id"] = profile["aws_access_key_id"]
        found["secret_access_key"] = profile.get("aws_secret_access_key", "")
        if profile.get("aws_session_token"):
            found["session_token"] = profile["aws_session_token"]
    elif any(profile.get(key) for key in _FROM_ELSEWHERE):
        found["credential_provider"] = _provider(profile, environment)
    elif not any(environment.get(name) for name in _IN_ENVIRONMENT) and not _on_an_instance(environment):
        raise StorageError(
            "there are no credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "
            "or run: aws configure"
        )
    return found


def _profile(environment: Mapping[str, str]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The settings of the profile in force, those of the credentials file first, and all sections."""
    home = environment.get("HOME") or os.path.expanduser("~")
    config = _sections(environment.get("AWS_CONFIG_FILE") or os.path.join(home, ".aws", "config"))
    secrets = _sections(
        environment.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join(home, ".aws", "credentials")
    )
    name = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE")
    found = {**config.get(f"profile {name or 'default'}", {}), **secrets.get(name or "default", {})}
    if (name or "default") == "default":
        found = {**config.get("default", {}), **found}
    if name and not found and not environment.get("AWS_ACCESS_KEY_ID"):
        raise StorageError(
            f"AWS_PROFILE names {name!r}, which is in neither ~/.aws/config nor ~/.aws/credentials."
        )
    return found, config


def _sections(path: str) -> dict[str, dict[str, str]]:
    """The sections of one of AWS's files; nested keys (`s3 =` and lines below it) as `s3.key`."""
    path = os.path.expanduser(path)
    try:
        status = os.stat(path)
        stamp = (status.st_mtime_ns, status.st_size)
        known = _parsed.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError):
        return {}
    import configparser

    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        raise StorageError(f"{path} can not be read as a file of AWS profiles.") from None
    sections = {name: _flat(parser[name]) for name in parser.sections()}
    _parsed[path] = (stamp, sections)
    return sections


def _flat(section: Mapping[str, str]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in section.items():
        if not value.startswith("\n"):
            flat[key] = value.strip()
            continue
        for line in value.splitlines():
            inner, found, setting = line.partition("=")
            if found:
                flat[f"{key}.{inner.strip().lower()}"] = setting.strip()
    return flat


def _provider(profile: Mapping[str, str], environment: Mapping[str, str]) -> Any:
    """Asks boto3, which knows how to sign on, assume roles and start processes for credentials."""
    how = next(key for key in _FROM_ELSEWHERE if profile.get(key))
    try:
        from boto3 import Session
    except ImportError:
        raise DependencyMissing(
            f"the AWS profile gets its credentials by {how}, which needs boto3: pip install boto3"
        ) from None

    session = Session(profile_name=environment.get("AWS_PROFILE"))

    def provide() -> dict[str, Any]:
        import datetime

        credentials = session.get_credentials().get_frozen_credentials()
        return {
            "access_key_id": credentials.access_key,
            "secret_access_key": credentials.secret_key,
            "token": credentials.token,
            # boto3 renews them in time; obstore is to ask again every few minutes.
            "expires_at": datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10),
        }

    return provide


def _on_an_instance(environment: Mapping[str, str]) -> bool:
    """Whether a machine of EC2 answers, as AWS's own tools ask it: for a second."""
    if environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    if environment.get("AWS_METADATA_ENDPOINT"):
        return True
    import socket

    try:
        socket.create_connection(_METADATA, timeout=1).close()
    except OSError:
        return False
    return True
