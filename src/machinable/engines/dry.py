"""The engine `dry`: tells what would run, and why, and writes nothing."""

from __future__ import annotations

from machinable.engines.explain import Explainer
from machinable.execution.columns import Names, cells
from machinable.execution.execution import Execution
from machinable.execution.summary import outline
from machinable.execution.tables import text_of

__all__ = ["Dry"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from machinable.component.component import Component

_SHOWN = 200


class Dry(Execution):
    """Runs nothing. Tells, for each component and what it uses, whether it would run and why, on standard output.

        execute(plan, storage="~/results", engine="dry", seed=42)

    `rows()` has the same as data. Nothing is written to the storage. With an `engine` that submits to a scheduler, the
    scripts that it would submit are printed as well.
    """

    #: Whose scripts are shown as well.
    engine: Execution | None = None

    def dispatch(self) -> Self:
        """Prints what would run."""
        print(self.text(), flush=True)
        preview = getattr(self.engine, "preview", None)
        if preview is not None:
            assert self.engine is not None
            self.engine.adopt_seed(self.seed)
            scripts = preview([component for component, row in self._explained() if row["runs"]])
            print("".join(f"\n{script}" for script in scripts), end="", flush=True)
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
        rows = [{**outline(component), "id": row["id"]} for component, row in explained]
        columns, shown = Names(rows).telling_apart(), explained[:_SHOWN]
        header, cells_of = cells(rows[:_SHOWN], columns)
        body = [
            ["run" if row["runs"] else "-", *texts, row["detail"]]
            for texts, (_, row) in zip(cells_of, shown, strict=True)
        ]
        more = [f"… and {len(explained) - _SHOWN} more"] if len(explained) > _SHOWN else []
        return "\n".join(
            [text_of(["", *header, "why"], body), *more, _counted([row for _, row in explained])]
        )

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
