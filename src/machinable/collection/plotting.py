"""Draws curves with Matplotlib: the mean over trials as a line, its confidence interval as a band."""

from __future__ import annotations

from machinable.collection.curves import curves_of
from machinable.errors import DependencyMissing

__all__ = ["plot_curves"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from machinable.collection.collection import Collection
    from machinable.collection.curves import Curve
    from machinable.collection.student import Statistics

#: Of more lines than these, there are no colours and bands that can be told apart: they have shades, and no bands.
_DISTINCT = 10
#: A legend of more lines than these stands beside the axes,
_INSIDE = 6
#: and one of more than these has some of them, evenly spread.
_LABELLED = 16
#: Single points are hard to see as a line.
_MARKED = 2


def plot_curves(
    collection: Collection, x: str | None, y: str, group_by: str | Sequence[str] | None, ax: Any
) -> Any:
    """Draws the curves, and returns the axes. Raises as `Collection.plot` says."""
    try:
        import matplotlib
        from matplotlib import pyplot, ticker
    except ModuleNotFoundError as error:
        raise DependencyMissing("plot() needs Matplotlib: pip install 'machinable[plot]'") from error
    title, curves = curves_of(collection, x, y, group_by)
    if ax is None:
        # Of pyplot, so that a notebook shows it. Where there is no screen, Matplotlib chooses a back-end without one.
        figure, ax = pyplot.subplots(layout="constrained")
        if len(curves) > _INSIDE:
            figure.set_figwidth(figure.get_figwidth() * 1.3)  # for the legend
    shades: list[Any] = [None] * len(curves)  # the next colours of the axes
    if len(curves) > _DISTINCT:
        colours = matplotlib.colormaps["viridis"]
        shades = [colours(0.95 * number / (len(curves) - 1)) for number in range(len(curves))]
    _draw(ax, curves, shades)
    ax.set_xlabel("row" if x is None else x)
    ax.set_ylabel(y)
    places = [place for curve in curves for trial in curve.trials for place, _ in trial]
    if places and all(isinstance(place, int) for place in places):
        ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if len(curves) > 1 and title:
        _add_legend(ax, title, curves)
    return ax


def _draw(ax: Any, curves: Sequence[Curve], colours: Sequence[Any]) -> None:
    bands = []
    for curve, colour in zip(curves, colours, strict=True):
        if curve.is_aligned:
            places, statistics = curve.mean()
            means = [each.mean for each in statistics]
            marker = "o" if len(places) <= _MARKED else None
            (line,) = ax.plot(places, means, color=colour, marker=marker, label=curve.label)
            bands.append((line, places, statistics))
            continue
        label = curve.label  # measured at other places each, so there is no mean to draw
        for trial in curve.trials:
            (line,) = ax.plot(*zip(*trial, strict=True), color=colour, linewidth=1.0, alpha=0.7, label=label)
            colour, label = line.get_color(), "_nolegend_"
    if bands and len(curves) <= _DISTINCT:
        _draw_bands(ax, bands)


def _draw_bands(ax: Any, bands: Sequence[tuple[Any, list[Any], list[Statistics]]]) -> None:
    """Draws the intervals, of which wide ones (as two trials have) do not squeeze the lines."""
    limits = ax.dataLim.frozen()
    room = limits.height / 2
    edges: list[float] = []
    nothing = float("nan")
    for line, places, statistics in bands:
        found = [each for each in statistics if each.half_width is not None]
        if found:
            edges += [edge for each in found for edge in (each.low, each.high) if edge is not None]
            ax.fill_between(
                places,
                [nothing if each.low is None else each.low for each in statistics],
                [nothing if each.high is None else each.high for each in statistics],
                color=line.get_color(),
                alpha=0.2,
                linewidth=0,
            )
    if edges:
        ax.dataLim.set(limits)
        low, high = max(min(edges), limits.y0 - room), min(max(edges), limits.y1 + room)
        ax.update_datalim([(limits.x0, low), (limits.x0, high)])
        ax.autoscale_view()


def _add_legend(ax: Any, title: str, curves: Sequence[Curve]) -> None:
    handles, labels = ax.get_legend_handles_labels()
    if len(labels) > _LABELLED:
        spread = [round(number * (len(labels) - 1) / (_LABELLED - 1)) for number in range(_LABELLED)]
        title = f"{title} ({_LABELLED} of {len(labels)})"
        handles, labels = [handles[each] for each in spread], [labels[each] for each in spread]
    beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)} if len(curves) > _INSIDE else {}
    ax.legend(handles, labels, title=title, fontsize="small", title_fontsize="small", frameon=False, **beside)
