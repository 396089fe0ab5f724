"""What was asked for: the document whose hash is a component's identity, ID and seed."""

from __future__ import annotations

from machinable.blake import blake2b
from machinable.errors import StorageError
from machinable.identity.canonical import encode, encode_text, plain, quote
from machinable.identity.ids import component_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self


__all__ = ["Request", "identity_of"]

VERSION = 1


class Request:
    """A request for one component. Two are the same component if, and only if, their identities are equal.

    It is a value: what it was made from is not changed afterwards, neither is what it returns.

    Args:
        module: Name of the module, relative to the project's root.
        class_name: Name of the class in that module.
        config: The resolved configuration without non-identifying fields, plain (see `canonical.plain`).
        scope: The merged scope, plain.
        uses: Names of the inputs and their identities as requested, 64 hexadecimal digits each.
        namespace: The project's name, where it has one.
        seed: Only if explicit or given by a plan.
        trial: Number of the trial in a plan, counted from 0.
        counter: 0 for what `get` asks for first; `get.new` counts up.
    """

    __slots__ = (
        "_digest",
        "_head",
        "_id",
        "_tail",
        "class_name",
        "config",
        "counter",
        "module",
        "namespace",
        "scope",
        "seed",
        "trial",
        "uses",
    )

    def __init__(
        self,
        *,
        module: str,
        class_name: str,
        config: dict[str, Any],
        scope: dict[str, Any] | None = None,
        uses: dict[str, str] | None = None,
        namespace: str | None = None,
        seed: int | None = None,
        trial: int | None = None,
        counter: int = 0,
    ) -> None:
        self.module = module
        self.class_name = class_name
        self.config = config
        self.scope = scope or {}
        self.uses = uses or {}
        self.namespace = namespace
        self.seed = seed
        self.trial = trial
        self.counter = counter
        self._digest: bytes | None = None
        self._id: str | None = None
        # The canonical JSON before and after the counter: requests that differ in it alone share both.
        self._head: str | None = None
        self._tail: str | None = None

    @property
    def identity(self) -> str:
        """BLAKE2b-256 of the canonical JSON of the document, as 64 hexadecimal digits."""
        return self.digest.hex()

    @property
    def id(self) -> str:
        """The name of the component's directory: its identity as 12 base62 digits."""
        id_ = self._id
        if id_ is None:
            id_ = self._id = component_id(self.identity)
        return id_

    @property
    def derived_seed(self) -> int:
        """32 bits of the identity: the seed of a component that was not given one."""
        return int.from_bytes(self.digest[:4], "big")

    @property
    def digest(self) -> bytes:
        """The identity as 32 bytes."""
        digest = self._digest
        if digest is None:
            digest = self._digest = blake2b(self.canonical(), digest_size=32).digest()
        return digest

    def canonical(self) -> bytes:
        """The canonical JSON of `document()`, written out because the keys and their order are known."""
        if self._head is None:
            self._head = f'{{"class":{quote(self.class_name)},"config":{encode_text(self.config)},"counter":'
            self._tail = (
                f',"module":{quote(self.module)}'
                f',"namespace":{"null" if self.namespace is None else quote(self.namespace)}'
                f',"scope":{encode_text(self.scope) if self.scope else "{}"}'
                f',"seed":{"null" if self.seed is None else self.seed}'
                f',"trial":{"null" if self.trial is None else self.trial}'
                f',"uses":{encode_text(self.uses) if self.uses else "{}"}'
                f',"v":{VERSION}}}'
            )
        return f"{self._head}{self.counter}{self._tail}".encode()

    def document(self) -> dict[str, Any]:
        """The request as it is stored and hashed. All ten keys are always there."""
        return {
            "v": VERSION,
            "namespace": self.namespace,
            "module": self.module,
            "class": self.class_name,
            "config": self.config,
            "scope": self.scope,
            "uses": self.uses,
            "seed": self.seed,
            "trial": self.trial,
            "counter": self.counter,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The request that a stored document describes.

        Raises:
            StorageError: If a later version of machinable wrote it, or if it is not such a document.
        """
        if document.get("v") != VERSION:
            raise StorageError(
                f"a request of version {document.get('v')!r} can not be read: this machinable knows "
                f"version {VERSION}. Install a newer one to read it."
            )
        try:
            return cls(
                module=document["module"],
                class_name=document["class"],
                config=document["config"],
                scope=document["scope"],
                uses=document["uses"],
                namespace=document["namespace"],
                seed=document["seed"],
                trial=document["trial"],
                counter=document["counter"],
            )
        except KeyError as missing:
            raise StorageError(
                f"a stored request lacks its key {missing}: the record is damaged."
            ) from missing

    def with_counter(self, counter: int) -> Self:
        """The same request at another counter."""
        other = object.__new__(type(self))
        other.module = self.module
        other.class_name = self.class_name
        other.config = self.config
        other.scope = self.scope
        other.uses = self.uses
        other.namespace = self.namespace
        other.seed = self.seed
        other.trial = self.trial
        other.counter = counter
        other._digest = None
        other._id = None
        other._head = self._head
        other._tail = self._tail
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_document, (self.document(),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"<Request {self.id} {self.module}:{self.class_name} {encode_text(self.config)}>"


def identity_of(document: Mapping[str, Any]) -> str:
    """The identity of a stored document, whichever keys it has, as 64 hexadecimal digits.

    Raises:
        ConfigurationError: If the document is not plain.
    """
    return blake2b(encode(plain(document)), digest_size=32).hexdigest()
