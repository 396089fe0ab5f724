"""The engine `dry`: tells what would run, and why, and writes nothing."""

from __future__ import annotations

from machinable.engines.explain import Explainer
from machinable.execution.execution import Execution
from machinable.execution.summary import varying
from machinable.execution.tables import cell, text_of

__all__ = ["Dry"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from machinable.component.component import Component

_SHOWN = 200


class Dry(Execution):
    """Runs nothing. Tells, for each component and what it uses, whether it would run and why, on standard output.

        execute(plan, storage="~/results", engine="dry", seed=42)

    `rows()` has the same as data. Nothing is written to the storage.
    """

    def dispatch(self) -> Self:
        """Prints what would run."""
        print(self.text(), flush=True)
        return self

    def run_one(self, component: Component) -> None:
        """Prints whether the component would run."""
        self.add(component)
        self.dispatch()

    def rows(self) -> list[dict[str, Any]]:
        """For each component, inputs before their users: whether it would run (`runs`), and why.

        `why` is new, failed, interrupted, lost, invalidated, running or cached; `detail` says it in words. `nearest` is
        the ID of the existing record of the same class that differs least, `differs` how: its value and the one here,
        by field. `first` are the IDs of the inputs that would run before.
        """
        return [row for _, row in self._explained()]

    def text(self) -> str:
        """The table that `dispatch` prints."""
        explained = self._explained()
        keys, values = varying([component for component, _ in explained])
        modules = len({component.module for component, _ in explained}) > 1
        trials = any(component.trial.total > 1 for component, _ in explained)
        header = [
            "",
            "id",
            *(["module"] if modules else []),
            *(["trial"] if trials else []),
            *keys,
            "why",
        ]
        body = [
            [
                "run" if row["runs"] else "-",
                row["id"],
                *([component.module] if modules else []),
                *([str(component.trial.number)] if trials else []),
                *(cell(values[index].get(key)) for key in keys),
                row["detail"],
            ]
            for index, (component, row) in enumerate(explained[:_SHOWN])
        ]
        more = [f"… and {len(explained) - _SHOWN} more"] if len(explained) > _SHOWN else []
        return "\n".join([text_of(header, body), *more, _counted([row for _, row in explained])])

    def _explained(self) -> list[tuple[Component, dict[str, Any]]]:
        explainer = Explainer()
        for component in self._components:
            explainer.include(component)
        return explainer.found


def _counted(rows: list[dict[str, Any]]) -> str:
    """`3 would run: 2 new, 1 failed · 12 cached`."""
    running = [row["why"] for row in rows if row["runs"]]
    others = [row["why"] for row in rows if not row["runs"]]
    kinds = ", ".join(f"{running.count(kind)} {kind}" for kind in dict.fromkeys(running))
    parts = [f"{len(running) or 'nothing'} would run{': ' if kinds else ''}{kinds}"]
    parts += [f"{others.count(kind)} {kind}" for kind in dict.fromkeys(others)]
    return " · ".join(parts)
