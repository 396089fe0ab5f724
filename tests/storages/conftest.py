"""The servers behind the storages."""

from __future__ import annotations

import pytest

# Before it is imported: then its assertions say what they compared.
for name in ("storages", "storage_faults", "machines"):
    pytest.register_assert_rewrite(f"machinable.testing.{name}")

from tests.servers.s3 import nanio_server, s3_url, seaweed_server, unconditional_url  # noqa: E402
from tests.servers.sshd import sftp_url, ssh_server  # noqa: E402

__all__ = ["nanio_server", "s3_url", "seaweed_server", "sftp_url", "ssh_server", "unconditional_url"]
