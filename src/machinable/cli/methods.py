"""Which methods of a component may be called from the command line, and whether a call fits one."""

from __future__ import annotations

from machinable.errors import ConfigurationError
from machinable.wording import nearest

__all__ = ["COMMON", "is_public", "method_of", "own_methods", "parameters_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from machinable.cli.parse import Call

# What machinable calls itself: hooks of the life cycle, versions and configuration methods.
HOOKS = ("_", "on_", "version_", "config_")
# Of what machinable adds to every component, this is what a shell may want.
COMMON = ("launch", "cached", "output", "invalidate")


def is_public(cls: type, name: str) -> bool:
    """Whether `--name` may be typed: a method, and none that machinable itself calls."""
    member = _member(cls, name)
    if name.startswith(HOOKS) or isinstance(member, (property, type)):
        return False
    return callable(member) or isinstance(member, (staticmethod, classmethod))


def own_methods(cls: type) -> list[str]:
    """The methods that may be typed and come from the user's own classes, in their order there."""
    own = [
        base
        for base in cls.__mro__
        if base is not object and base.__module__.partition(".")[0] != "machinable"
    ]
    return [
        name for name in dict.fromkeys(name for base in own for name in vars(base)) if is_public(cls, name)
    ]


def method_of(interface: Any, call: Call) -> Callable[..., Any]:
    """The bound method that a call means.

    Raises:
        ConfigurationError: If there is no such public method, or it does not take these arguments.
    """
    cls = type(interface)
    module = interface.module
    if not is_public(cls, call.name):
        raise ConfigurationError(f"{module} has no method --{call.name}. {_hint(cls, call.name)}")
    method: Callable[..., Any] = getattr(interface, call.name)
    if not _takes_nothing(method) or call.args or call.kwargs:
        import inspect

        try:
            signature = inspect.signature(method)
        except ValueError:  # some built-in functions do not tell
            return method
        try:
            signature.bind(*call.args, **call.kwargs)
        except TypeError as error:
            if not signature.parameters:
                what = f"{call.name}(), which takes no arguments."
            else:
                what = (
                    f"{call.name}{parameters_of(method)}: {error}. Write '--{call.name}(…)' with your values."
                )
            raise ConfigurationError(f"{module}: {call.token} does not fit the method {what}") from error
    return method


def parameters_of(method: Callable[..., Any], bound: int = 0) -> str:
    """The parameters of a method but for the first `bound` of them, without types: `(first, last=None)`."""
    import inspect

    signature = inspect.signature(method)
    parameters = list(signature.parameters.values())[bound:]
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    return str(inspect.Signature(plain))


def _member(cls: type, name: str) -> Any:
    for base in cls.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return None


def _takes_nothing(method: Any) -> bool:
    """Whether the method can be called without arguments, told without loading `inspect`."""
    code = getattr(method, "__code__", None)
    if code is None:
        return False
    given = 1 if getattr(method, "__self__", None) is not None else 0
    needed = code.co_argcount - given - len(method.__defaults__ or ())
    return bool(needed <= 0 and code.co_kwonlyargcount <= len(method.__kwdefaults__ or ()))


def _hint(cls: type, name: str) -> str:
    if name.startswith(HOOKS[1:]):
        return "Methods whose names begin so are called by machinable."
    if isinstance(_member(cls, name), property):
        return f"{name!r} is an attribute; without any method, the component is shown."
    known = [*own_methods(cls), *(name for name in COMMON if hasattr(cls, name))]
    near = nearest(name, known)
    return f"Did you mean --{near}?" if near else f"It has: {', '.join('--' + method for method in known)}."
