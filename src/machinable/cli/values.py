"""Values as typed on the command line: YAML 1.2, core schema.

Unlike in YAML 1.1, `1e-3` is a number, `no`, `on` and `yes` are text, `010` is ten, and dates are text.
Source: YAML 1.2.2, section 10.3 (https://yaml.org/spec/1.2.2/#103-core-schema).
"""

from __future__ import annotations

import re

from machinable.errors import ConfigurationError

__all__ = ["read"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A plain scalar on one line: what can not be taken for a collection, a quoted text, a tag, an anchor or a comment.
PLAIN = re.compile(r"""(?:[^\s\-?:,\[\]{}#&*!|>'"%@`]|[-?:](?=[^\s,\[\]{}]))(?:[^\x00-\x1f\x7f-\x9f])*""")
NOT_PLAIN = re.compile(
    r":[ \t]|[ \t]\#|:\Z|\s\Z|\A(?:---|\.\.\.)(?:\s|\Z)|[\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"
)

NULL = frozenset(("", "~", "null", "Null", "NULL"))
BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
INT = re.compile(r"[-+]?[0-9]+|0o(?P<octal>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
INFINITY = re.compile(r"([-+]?)(?:\.inf|\.Inf|\.INF)")
NAN = frozenset((".nan", ".NaN", ".NAN"))
SPECIAL = re.compile(r"[0-9+\-.~nNtTfF]")  # how a scalar that is not text begins


def read(text: str) -> Any:
    """The value that a text stands for. Nothing at all (`key=`) is the empty text.

    Raises:
        ConfigurationError: If it is no YAML.
    """
    if not text.strip():
        return text
    if PLAIN.fullmatch(text) and not NOT_PLAIN.search(text):
        return scalar(text)
    return _read_yaml(text)


def scalar(text: str) -> Any:
    """The value of a plain scalar: null, a boolean, a number, or else the text itself.

    Raises:
        ConfigurationError: If it is a whole number of more digits than Python reads.
    """
    if text in NULL:
        return None
    if not SPECIAL.match(text):
        return text
    if text in BOOL:
        return BOOL[text]
    number = INT.fullmatch(text)
    if number:
        try:
            return (
                int(number["octal"], 8)
                if number["octal"]
                else int(number["hex"] or text, 16 if number["hex"] else 10)
            )
        except ValueError:
            raise ConfigurationError(
                f"{text[:20]}… is a number of {len(text)} digits. Quote it to give it as text: '\"{text[:5]}…\"'."
            ) from None
    if FLOAT.fullmatch(text):
        return float(text)
    infinite = INFINITY.fullmatch(text)
    if infinite:
        return float(f"{infinite[1]}inf")
    if text in NAN:
        return float("nan")
    return text


_loader: type[Any] | None = None


def _read_yaml(text: str) -> Any:
    import yaml

    global _loader
    if _loader is None:
        _loader = _core_loader()
    try:
        return yaml.load(text, Loader=_loader)
    except yaml.YAMLError as error:
        raise ConfigurationError(_remedy(text, error)) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        # What PyYAML lets through: lone surrogates, texts that do not fit their tag, nesting without end.
        raise ConfigurationError(_remedy(text, error)) from error


def _remedy(text: str, error: Exception) -> str:
    """What is wrong with a value, and how to write it."""
    if text[0] in "[{" and _brackets_open(text):
        return "its brackets are not balanced. If the shell split it at a space, put the whole in quotes."
    if text[0] in "'\"" and text[-1] != text[0]:
        return "its quotes are not balanced."
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    example = (
        f"'\"{text}\"'"
        if len(text) < 60 and text.isprintable() and not set(text) & set("\"'\\")
        else "'\"…\"'"
    )
    return f"it is not YAML ({problem}). To give it as text, put double quotes within single ones: {example}."


def _brackets_open(text: str) -> bool:
    """Whether brackets are missing or too many, leaving out those in quotes."""
    closing: list[str] = []
    for mark in re.sub(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'', "", text):
        if mark in "[{":
            closing.append("]" if mark == "[" else "}")
        elif mark in "]}" and (not closing or closing.pop() != mark):
            return True
    return bool(closing)


def _core_loader() -> type[Any]:
    """PyYAML's safe loader with the core schema of YAML 1.2 in place of the types of YAML 1.1."""
    import yaml

    # Not CSafeLoader, which crashes Python on deep nesting.
    class CoreLoader(yaml.SafeLoader):
        """Reads `key=value` texts."""

        yaml_constructors = {
            tag: construct
            for tag, construct in yaml.SafeLoader.yaml_constructors.items()
            if tag is None or tag.endswith((":str", ":seq", ":map"))
        }

        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
            if kind is yaml.ScalarNode and implicit[0]:
                return f"tag:yaml.org,2002:{_tag(value)}"
            return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[Any] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                if (key.tag, key.value) in seen:
                    problem = f"the key {key.value!r} is there twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add((key.tag, key.value))
                if node.flow_style and not value.value and ":" in key.value and not key.style:
                    name, _, rest = key.value.partition(":")
                    problem = f"a space is missing after the colon: {name}: {rest}"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            return super().construct_mapping(node, deep=deep)

    def construct(loader: Any, node: Any) -> Any:
        value = scalar(node.value)
        if _tag(node.value) != node.tag.rpartition(":")[2] and not (
            node.tag.endswith(":float") and isinstance(value, int)
        ):
            problem = f"{node.value!r} is no {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return float(value) if node.tag.endswith(":float") else value

    for name in ("null", "bool", "int", "float"):
        CoreLoader.add_constructor(f"tag:yaml.org,2002:{name}", construct)
    return CoreLoader


def _tag(text: str) -> str:
    """The name of the core schema's type of a plain scalar."""
    value = scalar(text)
    return "null" if value is None else "str" if isinstance(value, str) else type(value).__name__
