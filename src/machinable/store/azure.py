"""Where Azure's own tools read the account and its keys: the names of az and azcopy, and connection strings."""

from __future__ import annotations

import os

from machinable.errors import StorageError

__all__ = ["account", "settings"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PARTS = {
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "BlobEndpoint": "endpoint",
    "SharedAccessSignature": "sas_key",
}


def account(host: str, environment: Mapping[str, str] = os.environ) -> str:
    """The name of the account that holds the container; empty if none is set."""
    if "@" in host:
        return host.partition("@")[2].partition(".")[0]
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"):
        if environment.get(name):
            return environment[name]
    return str(_connection(environment).get("account_name", ""))


def settings(host: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What `AzureStore` of obstore is to be told besides what it reads from the environment itself.

    Raises:
        StorageError: If no account is named.
    """
    found: dict[str, Any] = _connection(environment)
    name = account(host, environment)
    if not name and environment.get("AZURE_STORAGE_USE_EMULATOR", "").lower() not in ("1", "true"):
        raise StorageError(
            "no storage account is named. Set AZURE_STORAGE_ACCOUNT_NAME, or AZURE_STORAGE_CONNECTION_STRING."
        )
    if name:
        found["account_name"] = name
    if environment.get("AZURE_STORAGE_KEY"):
        found["account_key"] = environment["AZURE_STORAGE_KEY"]
    return found


def _connection(environment: Mapping[str, str]) -> dict[str, Any]:
    """The parts of AZURE_STORAGE_CONNECTION_STRING (`Name=value;…`) that matter here."""
    found = {}
    for part in environment.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";"):
        name, _, value = part.partition("=")
        if name.strip() in _PARTS and value:
            found[_PARTS[name.strip()]] = value.strip()
    return found
