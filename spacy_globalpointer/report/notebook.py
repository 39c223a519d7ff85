"""Pictures for notebooks and scripts: a document with its spans, and the scores of all
spans of a text."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import is_in_jupyter

from ..errors import Errors
from ..evaluation.outputs import as_they_came
from ..pipeline.component import TaskPipe, task_pipes
from ..tasks import SpanTask
from .colors import label_colors
from .comparison import Annotation
from .drawing import NestedSpanRenderer, draw
from .links import draw_links, read_links
from .style import SPANS


def visualize(
    docs: Doc | Iterable[Doc], spans_key: str = "sc", *, jupyter: bool | None = None
) -> str | None:
    """Draw documents with their spans, however deeply they are nested; labels,
    offsets and scores show where the pointer rests. Discontinuous entities and
    relations are listed below the document.

    docs (Doc | Iterable[Doc]): One document, or several.
    spans_key (str): Key of `doc.spans`.
    jupyter (bool | None): Whether to show it in the notebook. None: if there is one.
    RETURNS (str | None): The markup, None where it was shown.
    RAISES (ValueError): If a document has no such key.
    """
    docs = [docs] if isinstance(docs, Doc) else list(docs)
    for doc in docs:
        if spans_key not in doc.spans:
            raise ValueError(Errors.E040.format(key=spans_key, keys=list(doc.spans)))
    annotations = [Annotation.read(doc, spans_key) for doc in docs]
    labels = {mention.label for x in annotations for mention in x.spans}
    colors = label_colors(sorted(labels))
    renderer = NestedSpanRenderer(colors)
    drawings = "\n".join(
        part
        for x in annotations
        for part in (
            draw(x, renderer, set(), ""),
            draw_links(x.doc, read_links(x.doc, spans_key), colors),
        )
        if part
    )
    markup = f"<style>{SPANS}</style>\n{drawings}"
    if jupyter or (jupyter is None and is_in_jupyter()):
        from IPython.display import HTML, display

        # So that no dollar signs in a text are taken for a formula.
        display(HTML(f'<div class="tex2jax_ignore">{markup}</div>'))
        return None
    return markup


@dataclass(repr=False)
class LatticeScores:
    """The scores of all spans of a document for one label.

    doc (Doc): The document, with the predictions of the pipeline.
    label (str): The label.
    scores (NDArray): Log odds, head tokens by tail tokens; NaN where there is no
        candidate, -inf where the label cannot be predicted.
        *Shape:* (n_tokens, n_tokens)
    probabilities (NDArray): The same as probabilities.
    threshold (float): The lowest probability that is predicted.
    """

    doc: Doc
    label: str
    scores: Any
    probabilities: Any
    threshold: float

    def __repr__(self) -> str:
        """One line, without the arrays."""
        return (
            f"LatticeScores(label={self.label!r}, n_tokens={len(self.doc)}, "
            f"threshold={self.threshold:.3g})"
        )

    def figure(self, what: str = "probabilities") -> Any:
        """Draw a heatmap, rows heads, columns tails.

        what (str): "probabilities" or "scores".
        RETURNS (matplotlib.figure.Figure): The picture.
        """
        # matplotlib takes a while to load.
        from .plots import plot_lattice

        if what not in ("probabilities", "scores"):
            allowed = '"probabilities" or "scores"'
            raise ValueError(
                Errors.E004.format(setting="what", allowed=allowed, value=what)
            )
        values, low, high = self.probabilities, 0.0, 1.0
        if what == "scores":
            values = numpy.where(numpy.isneginf(self.scores), numpy.nan, self.scores)
            low, high = (
                numpy.nanmin(values, initial=-1.0),
                numpy.nanmax(values, initial=1),
            )
        title = f"{self.label}: {what}, predicted from {self.threshold:.3g}"
        tokens = [token.text for token in self.doc]
        return plot_lattice(values, tokens, title, low=float(low), high=float(high))

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        from .canvas import to_png

        return to_png(self.figure())


def lattice_scores(
    nlp: Language, doc: Doc | str, label: str, *, component: str | None = None
) -> LatticeScores:
    """Score all spans of a text for a label, to see why one was found, or was not.
    With `candidates_key`, those that are not given as well.

    nlp (Language): A trained pipeline.
    doc (Doc | str): A text, or a document that the pipeline has run over.
    label (str): The label.
    component (str | None): Name of the component. None: the last that scores spans.
    RETURNS (LatticeScores): The scores, which notebooks show as a heatmap.
    RAISES (ValueError): If there is no such component or label.
    """
    pipe = _component(nlp, component)
    if label not in pipe.labels:
        raise ValueError(Errors.E041.format(label=label, labels=list(pipe.labels)))
    doc = nlp(doc) if isinstance(doc, str) else doc
    lattice = pipe.predict(as_they_came(nlp, pipe, [doc]))
    odds = pipe.task.objective.log_odds(lattice).scores
    row = odds[pipe.labels.index(label)].double()
    heads, widths = lattice.layout.valid.nonzero().T.cpu().numpy()
    scores = numpy.full((len(doc), len(doc)), numpy.nan)
    probabilities = scores.copy()
    scores[heads, heads + widths] = row.cpu().numpy()[heads, widths]
    temperature = pipe.cfg["label_temperatures"].get(label, 1.0)
    chances = pipe.task.objective.probability(row / temperature).cpu().numpy()
    probabilities[heads, heads + widths] = chances[heads, widths]
    single = pipe.cfg["label_thresholds"]
    threshold = float(single.get(label, pipe.cfg["threshold"]))
    return LatticeScores(doc, label, scores, probabilities, threshold)


def _component(nlp: Language, name: str | None) -> TaskPipe[SpanTask]:
    for pipe_name, pipe in reversed(task_pipes(nlp).items()):
        if "threshold" in pipe.cfg and name in (None, pipe_name):
            return pipe
    wanted = f" with the name {name!r}" if name else ""
    raise ValueError(Errors.E042.format(wanted=wanted, names=nlp.pipe_names))
