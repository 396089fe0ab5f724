"""What an object store complains of, as one line that says what to do."""

from __future__ import annotations

import re

from machinable.errors import StorageError

__all__ = ["code_of", "explain", "is_ambiguous", "is_expired"]

_CODE = re.compile(r"<Code>\s*([\w.]+)\s*</Code>|\"(?:code|error)\"\s*:\s*\"([\w. ]+)\"")
_STATUS = re.compile(r"status code: (\d{3})|status: (\d{3})")
_REGION = re.compile(r"<Region>\s*([\w-]+)\s*</Region>")

_NOT_THERE = re.compile(r"ConnectionRefused|dns error|HostUnreachable|NetworkUnreachable|tcp connect error")

_EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "TokenRefreshRequired",
    "RequestExpired",
    "invalid_grant",
}
_REFUSED = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "Unauthorized",
}
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
_REGIONS = {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"}
_THROTTLED = {
    "SlowDown",
    "ServerBusy",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "TooManyRequestsException",
}


def code_of(text: str) -> str:
    """The error code in the body of an answer; empty if there is none."""
    match = _CODE.search(text)
    return (match[1] or match[2]) if match else ""


def _status_of(text: str) -> int:
    match = _STATUS.search(text)
    return int(match[1] or match[2]) if match else 0


def is_expired(text: str) -> bool:
    """Whether the credentials were good once, so that a look for newer ones makes sense."""
    return code_of(text) in _EXPIRED


def is_ambiguous(text: str) -> bool:
    """Whether the request may have been carried out although it was not answered well."""
    status = _status_of(text)
    return status == 0 or status >= 500 or status in (408, 409, 429)


def explain(error: BaseException, url: str, bucket: str, where: str) -> StorageError:
    """The error that a user sees for what obstore raised.

    Args:
        url: Of the storage.
        bucket: Its bucket or container.
        where: The endpoint, or the cloud's name.
    """
    text = str(error)
    code, status = code_of(text), _status_of(text)
    return StorageError(f"{url}: {_reason(text, code, status, bucket, where)}")


def _reason(text: str, code: str, status: int, bucket: str, where: str) -> str:
    said = f" ({code or status})" if code or status else ""
    if "performing token request" in text or "169.254." in text:
        return "no credentials were found that work. Give them as the cloud's own tools read them."
    if code in _EXPIRED:
        return f"the credentials have expired{said}. Renew them and go on; what is not uploaded yet stays in the cache."
    if code in _REFUSED or status == 401:
        return f"{where} refuses the credentials{said}. Check the access key, the secret and the profile."
    if code in _NO_BUCKET:
        return f"there is no bucket {bucket!r} at {where}. Create it, or correct the URL."
    if code in _REGIONS or status == 301:
        region = _REGION.search(text)
        right = f"; it is in {region[1]}: set AWS_REGION={region[1]}" if region else ": set AWS_REGION"
        return f"the bucket {bucket!r} is not in the region that was asked{right}."
    if code == "RequestTimeTooSkewed":
        return f"the clock of this machine is wrong, says {where}{said}. Set it."
    if code in _THROTTLED or status in (429, 503):
        return f"{where} asks to slow down{said}, after several attempts. Try again later, or with fewer processes."
    if status == 403:
        return f"{where} denies access{said}. The credentials may not do this in the bucket {bucket!r}."
    if status >= 500 or status == 408:
        return f"{where} answers with an error{said}, after several attempts. Try again later."
    if status:
        return f"{where} refuses the request{said}."
    return _unanswered(text, bucket, where)


def _unanswered(text: str, bucket: str, where: str) -> str:
    if _NOT_THERE.search(text):
        return f"{where} can not be reached. Check the endpoint and the network."
    if "redirect without LOCATION" in text:
        return _reason(text, "PermanentRedirect", 0, bucket, where)
    if "kind: Timeout" in text or "timed out" in text:
        return f"{where} does not answer in time, after several attempts. Check the network, and try again."
    if "credential" in text.lower() or "account" in text.lower():
        return "the credentials can not be used. Give them as the cloud's own tools read them."
    if "HTTP error" in text:
        return f"the connection to {where} broke, after several attempts. Check the network, and try again."
    return _first_line(text)


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0][:300] or "the storage refused, without a reason."
