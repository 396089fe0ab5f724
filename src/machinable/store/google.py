"""Where Google's own tools read the endpoint of Cloud Storage; credentials obstore finds by itself."""

from __future__ import annotations

import json
import os

__all__ = ["endpoint", "settings"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def endpoint(environment: Mapping[str, str] = os.environ) -> str:
    """The endpoint that is set; empty for Google's own."""
    if environment.get("GOOGLE_BASE_URL"):
        return environment["GOOGLE_BASE_URL"].rstrip("/")
    emulator = environment.get("STORAGE_EMULATOR_HOST", "").rstrip("/")
    return emulator if not emulator or "://" in emulator else f"http://{emulator}"


def settings(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What `GCSStore` of obstore is to be told besides what it reads from the environment itself."""
    if not environment.get("STORAGE_EMULATOR_HOST"):
        return {}
    # An emulator asks for no credentials.
    account = {"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    return {"service_account_key": json.dumps({**account, "gcs_base_url": endpoint(environment)})}
