"""Given spans: a recognizer with `candidates_key` scores them alone."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional

import numpy
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from spacy.training.corpus import create_docbin_reader

from ..errors import Warnings
from ..tasks.drop_report import DropReport
from ..tasks.gold import AlignedGold
from .alignment import Alignment
from .gold import GoldReader


class CandidateReader(GoldReader):
    """Reads the gold spans that are among the candidates, and the candidates.

    source, spans_key (str): As for `GoldReader`.
    key (str): Key of doc.spans of the candidates.
    rejected_key (Optional[str]): As for `GoldReader`.
    """

    has_candidates = True

    def __init__(
        self,
        source: str,
        spans_key: str,
        key: str,
        rejected_key: Optional[str] = None,
    ) -> None:
        super().__init__(source, spans_key, rejected_key)
        self.key = key

    def read(self, example: Example, dropped: DropReport) -> AlignedGold:
        """A document without candidates says nothing, and gold spans that are not
        among the candidates are dropped."""
        # What is wrong with candidates is counted where they are scored.
        candidates = self.candidates(example, DropReport())
        if candidates is None:
            n_tokens = len(example.predicted)
            return AlignedGold(n_tokens, [], numpy.ones(n_tokens, dtype=bool))
        gold = super().read(example, dropped)
        given = {(span.start, span.end) for span in candidates}
        spans = []
        for start, end, span in gold.spans:
            if (start, end) in given:
                spans.append((start, end, span))
            else:
                dropped.add("not among the candidates", span)
        return replace(gold, spans=spans)

    def candidates(self, example: Example, dropped: DropReport) -> Optional[List[Span]]:
        """The candidates of an example, None if it has no such group.

        Those of the predicted document, else those of the reference, found on the
        predicted tokens. What begins or ends inside a token there is dropped.
        """
        if self.key in example.predicted.spans:
            return list(example.predicted.spans[self.key])
        if self.key not in example.reference.spans:
            return None
        return aligned_candidates(example, self.key, dropped)


def aligned_candidates(example: Example, key: str, dropped: DropReport) -> List[Span]:
    """The candidates of a reference on the tokens of the predicted document, without
    labels.

    example (Example): The example.
    key (str): Key of doc.spans of the reference.
    dropped (DropReport): Counts what begins or ends inside a token there.
    """
    spans = []
    for span in example.reference.spans[key]:
        if span.start == span.end:
            dropped.add("empty", span)
        else:
            spans.append(span)
    aligned = []
    for span, place in zip(spans, Alignment(example).find(spans)):
        if place is None:
            dropped.add("not on token boundaries", span)
        else:
            aligned.append(Span(example.predicted, *place))
    return aligned


def create_candidates_corpus_v1(
    path: Optional[Path],
    candidates_key: str = "sc",
    gold_preproc: bool = False,
    max_length: int = 0,
    limit: int = 0,
    augmenter: Optional[Callable] = None,
) -> Callable[[Language], Iterator[Example]]:
    """A corpus whose documents come with candidates, so that a recognizer of given
    spans can be trained and evaluated: the predicted document has the spans of the
    reference without their labels.

    candidates_key (str): Their key of doc.spans.
    The other arguments are those of `spacy.Corpus.v1`.
    """
    corpus = create_docbin_reader(path, gold_preproc, max_length, limit, augmenter)
    reported: Dict[str, int] = {}

    def read(nlp: Language) -> Iterator[Example]:
        dropped = DropReport(one_pass=True)
        for example in corpus(nlp):
            give_candidates(example, candidates_key, dropped)
            yield example
        if dropped.counts.keys() - reported.keys():
            reported.update(dropped.counts)
            warnings.warn(
                Warnings.W022.format(
                    path=path, key=candidates_key, report=dropped.report()
                ),
                stacklevel=2,
            )

    return read


def give_candidates(example: Example, key: str, dropped: DropReport) -> None:
    """Copy the candidates of the reference to the predicted document. Arguments as
    for `aligned_candidates`."""
    if key in example.reference.spans:
        example.predicted.spans[key] = aligned_candidates(example, key, dropped)
