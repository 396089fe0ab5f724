"""What tells two storages of the same URL apart: the endpoint of a server of one's own, the account."""

from __future__ import annotations

from machinable.store import aws, azure, google

__all__ = ["place_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from machinable.store.url import Location


def place_of(location: Location) -> str:
    """The endpoint or the account that the settings in force give; empty where the URL says it all."""
    if location.scheme == "s3":
        return aws.endpoint()
    if location.scheme == "az":
        return azure.account(location.host)
    return google.endpoint() if location.scheme == "gs" else ""
