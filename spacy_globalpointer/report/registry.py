"""The registry of the report's plots. Each plot is one function, which is registered
with its place, its caption, and the values that it is drawn from.

A package adds a plot of its own by an entry point of the group
`spacy_globalpointer_plots`, whose value is a `Plot`:

    [options.entry_points]
    spacy_globalpointer_plots =
        my-plot = my_package.my_plot:PLOT
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import catalogue
from matplotlib.figure import Figure

from ..evaluation.result import Result


@dataclass(frozen=True)
class ReportData:
    """What a plot can be drawn from.

    names (Sequence[str]): What the models are called in the report.
    results (Sequence[Result]): What each model did.
    metrics (Mapping[str, Any]): The content of metrics.json.
    """

    names: Sequence[str]
    results: Sequence[Result]
    metrics: Mapping[str, Any]

    @property
    def models(self) -> Sequence[Mapping[str, Any]]:
        """RETURNS (Sequence[Mapping[str, Any]]): The metrics of each model."""
        return self.metrics["models"]

    def single(self, number: int) -> "ReportData":
        """The data of one model."""
        chosen = slice(number, number + 1)
        metrics = {**self.metrics, "models": self.models[chosen]}
        return ReportData(self.names[chosen], self.results[chosen], metrics)


@dataclass(frozen=True)
class Plot:
    """A plot of the report.

    name (str): Its name, which its files have too.
    section (str): The section of the page it is in: "labels", "buckets", "errors",
        "scores", "training", or a new one.
    caption (str): What it shows, in one or two sentences.
    draw (Callable[[ReportData], Optional[Figure]]): Draws it. None: there is nothing
        to draw.
    of_each (bool): Whether it is drawn for each model. It is then called with the data
        of that model alone.
    """

    name: str
    section: str
    caption: str
    draw: Callable[[ReportData], Figure | None]
    of_each: bool = False


@dataclass(frozen=True)
class DrawnPlot:
    """A plot that was drawn. Arguments as for `Plot`."""

    name: str
    section: str
    caption: str
    figure: Figure


_registry = catalogue.create("spacy_globalpointer", "plots", entry_points=True)


def register_plot(
    name: str,
    *,
    section: str,
    caption: str,
    values: Callable[[ReportData], tuple[Any, ...] | None],
    of_each: bool = False,
) -> Callable[[Callable[..., Figure]], Callable[..., Figure]]:
    """Register the decorated function as a plot of the report.

    name, section, caption, of_each: As for `Plot`.
    values (Callable[[ReportData], Optional[Tuple[Any, ...]]]): The arguments of the
        function. None: there is nothing to draw.
    """

    def register(function: Callable[..., Figure]) -> Callable[..., Figure]:
        def draw(data: ReportData) -> Figure | None:
            arguments = values(data)
            return None if arguments is None else function(*arguments)

        _registry.register(name, func=Plot(name, section, caption, draw, of_each))
        return function

    return register


def draw_plots(data: ReportData) -> Iterator[DrawnPlot]:
    """Draw all registered plots. What is of one model has its number at the end of its
    name, where there are several.

    data (ReportData): The data of all models.
    YIELDS (DrawnPlot): The plots, in the order in which they were registered.
    """
    for plot in _registry.get_all().values():
        cases = [("", "", data)]
        if plot.of_each and len(data.names) > 1:
            cases = [
                (f"-{i + 1}", f"{name}: ", data.single(i))
                for i, name in enumerate(data.names)
            ]
        for end, of_model, part in cases:
            figure = plot.draw(part)
            if figure is not None:
                caption = of_model + plot.caption
                yield DrawnPlot(plot.name + end, plot.section, caption, figure)
