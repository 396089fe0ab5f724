"""Random number generators of the process: seeded for a run, given back to the caller as they were.

`random`, NumPy, PyTorch and TensorFlow are seeded where they are loaded, and otherwise at the moment when
they are loaded during the run. None of them is imported for it.
"""

from __future__ import annotations

import os
import sys
import threading
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType, TracebackType
    from typing import Any

    State = dict[str, Any]  # by library, what the calls that restore it take

__all__ = ["LIBRARIES", "Seeded", "seed_all", "seeded"]

LIBRARIES = ("random", "numpy.random", "torch", "tensorflow")

_lock = threading.RLock()


def seed_all(seed: int) -> None:
    """Seed every loaded library, and, inside `seeded`, those that are loaded before its end.

    Args:
        seed: 0 <= seed < 2**32, the range NumPy accepts.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be in [0, 2**32), got {seed}")
    here = _seeded_here()
    if here is not None:
        here.seed = seed
        if _on_import not in sys.meta_path:
            sys.meta_path.insert(0, _on_import)
    modules = sys.modules
    for name in LIBRARIES:
        if name in modules:
            _seed_library(name, modules[name], seed)


def seeded(seed: int | None = None, *, restore: bool) -> Seeded:
    """A context whose random numbers follow from `seed`.

    Args:
        seed: As for `seed_all`. None seeds nothing on entry; a call of `seed_all` inside lasts until the end.
        restore: Whether the caller's generators continue afterwards as if nothing had been drawn here. A
            library that was loaded here is seeded anew: as an enclosing `seeded` would have it, else from
            entropy, so that the caller's numbers never depend on whether this block ran. TensorFlow's state
            can not be restored. The generators belong to the process: where threads do this at the same
            time, the state of before the first is restored after the last.
    """
    return Seeded(seed, restore)


class _Caller:
    """Somebody whose random numbers are interrupted by runs: the process outside of them, or a run itself."""

    __slots__ = ("guests", "seed", "state")

    def __init__(self) -> None:
        self.seed: int | None = None
        self.guests = 0  # how many that restore are under way
        self.state: State = {}  # of when the first of them came


class Seeded(_Caller):
    """One run's use of the generators; see `seeded`."""

    __slots__ = ("_caller", "_restore", "_seed", "is_over", "outer")

    def __init__(self, seed: int | None, restore: bool) -> None:
        self._seed = seed
        self._restore = restore
        self.seed = None
        self.guests = 0
        self.outer: Seeded | None = None
        self.is_over = False

    def __enter__(self) -> Seeded:
        outer = _current.get()
        if outer is not None and not outer.is_over:
            self.outer = outer
        self._caller = self.outer or _process
        if self._restore:
            with _lock:
                if self._caller.guests == 0:
                    self._caller.state = _state_of_loaded()
                self._caller.guests += 1
        _current.set(self)
        _running.append(self)
        if self._seed is not None:
            try:
                seed_all(self._seed)
            except BaseException:
                self.__exit__(None, None, None)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_over = True
        _current.set(self.outer)
        if self in _running:
            _running.remove(self)
        if not self._restore:
            return
        caller = self._caller
        with _lock:
            caller.guests -= 1
            if caller.guests == 0:
                state, caller.state = caller.state, {}
                _give_back(state, caller.seed)


_process = _Caller()
_current: ContextVar[Seeded | None] = ContextVar("machinable_seeded", default=None)
_running: list[Seeded] = []


def _seeded_here() -> Seeded | None:
    here = _current.get()
    if here is not None:
        return None if here.is_over else here
    # A thread that a component started has no context: it belongs to the innermost run, if all are nested.
    for candidate in tuple(_running):
        if candidate.outer is not here:
            return None
        here = candidate
    return here


def _state_of_loaded() -> State:
    modules = sys.modules
    state: State = {}
    if "random" in modules and hasattr(modules["random"], "getstate"):
        state["random"] = _state_of_random(modules["random"])
    if "numpy.random" in modules and hasattr(modules["numpy.random"], "get_state"):
        state["numpy.random"] = modules["numpy.random"].get_state(legacy=False)
    if "torch" in modules and hasattr(modules["torch"], "get_rng_state"):
        state["torch"] = _state_of_torch(modules["torch"])
    return state


def _give_back(state: State, seed: int | None) -> None:
    modules = sys.modules
    for name in LIBRARIES:
        if name in state:
            if name == "torch":
                _restore_torch(modules[name], *state[name])
            elif name == "random":
                modules[name].setstate(state[name])
            else:
                modules[name].set_state(state[name])
        elif name in modules:
            if seed is not None:
                _seed_library(name, modules[name], seed)
            elif name != "tensorflow":
                getattr(modules[name], "seed", _nothing)()


def _nothing() -> None:
    pass


_probed: tuple[int, Any] = (-1, (None, None, None))  # the first 32 bits drawn from a state, and the state


def _state_of_random(random: ModuleType) -> Any:
    """The state of the generator, which has drawn 32 bits afterwards.

    Reading a state takes as long as seeding twice, and in a loop of launches it is each time the same, so a
    state that was read before is recognised by the number that it gives next (wrong once in 2**32).
    """
    global _probed
    generator = random._inst
    probe, known = _probed
    bits = random.getrandbits(32)
    if bits == probe and generator.gauss_next == known[2]:
        return known
    version, words, gauss_next = random.getstate()
    # The last word is the position in the block; one back is before the draw. Where the draw began a new
    # block, the position becomes 0, from which the same numbers follow as from the end of the block before.
    state = (version, (*words[:-1], words[-1] - 1), gauss_next)
    _probed = (bits, state)
    return state


def _state_of_torch(torch: ModuleType) -> Any:
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    return torch.get_rng_state(), gpus


def _restore_torch(torch: ModuleType, cpu: Any, gpus: Any) -> None:
    torch.set_rng_state(cpu)
    if gpus is not None:
        torch.cuda.set_rng_state_all(gpus)
    elif torch.cuda.is_available():
        torch.cuda.seed_all()


def _seed_library(name: str, module: Any, seed: int) -> None:
    # `getattr`, since another thread may be in the midst of importing it: then it is seeded at the end of that.
    if name == "torch":
        name_of_function = "manual_seed"
    elif name == "tensorflow":
        module, name_of_function = getattr(module, "random", None), "set_seed"
    else:
        name_of_function = "seed"
    seed_it = getattr(module, name_of_function, None)
    if seed_it is not None:
        seed_it(seed)


class _OnImport:
    """A finder that finds nothing itself, but seeds the libraries when they are loaded during a run.

    It stays in `sys.meta_path` once it is there: taking an entry out while another thread walks along the
    list would make that one skip a finder.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in LIBRARIES:
            return None
        here = _seeded_here()
        if here is None or here.seed is None:
            return None
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _SeedingLoader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _SeedingLoader:
    """A module's loader, which takes its place again when the module is loaded."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        create = getattr(self._loader, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module: ModuleType) -> None:
        loader = self._loader
        module.__loader__ = loader
        spec = module.__spec__
        if spec is not None:
            spec.loader = loader
        loader.exec_module(module)
        here = _seeded_here()
        if here is not None and here.seed is not None:
            _seed_library(module.__name__, module, here.seed)

    def __getattr__(self, name: str) -> Any:
        if name == "_loader":
            raise AttributeError(name)
        return getattr(self._loader, name)


_on_import = _OnImport()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    here = _seeded_here()
    chain: list[Seeded] = []
    while here is not None:
        chain.insert(0, here)
        here = here.outer
    _running[:] = chain  # the other threads are not in this process


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
