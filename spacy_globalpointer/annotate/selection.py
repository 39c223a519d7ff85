"""The documents most worth a look: which they are, and an output of them alone."""

import heapq
from collections import Counter
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import (
    Any,
    BinaryIO,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

import srsly
from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors
from ..pipeline.component import TaskPipe, task_pipes
from .loading import backend_of, find_key, load_pipeline
from .outputs import Output

BY = ("margin", "entropy", "disagreement", "random")
# The field of each document that is written, and its key in doc.user_data before.
PRIORITY = "priority"
# Decimals of a priority: rounding in another process does not change the order.
DECIMALS = 6

# A priority, the place in the input, what the form of output cannot hold, and the
# document.
Entry = Tuple[float, int, Dict[str, int], Any]


@dataclass(frozen=True)
class Selection:
    """Which documents are written.

    n (int): How many.
    by (str): What makes them worth a look:
        "margin": a probability near its threshold;
        "entropy": the entropy of the labels, summed over all candidates;
        "disagreement": how many spans another pipeline finds that this one does not,
        and the reverse;
        "random": nothing.
    other (Optional[str]): The other pipeline.
    seed (int): Seed of "random".
    """

    n: int
    by: str = "margin"
    other: Optional[str] = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by not in BY:
            allowed = f"one of {BY}"
            raise ValueError(
                Errors.E004.format(setting="by", allowed=allowed, value=self.by)
            )
        if (self.by == "disagreement") != (self.other is not None):
            raise ValueError(Errors.E190.format(by=self.by, other=self.other))


class Ranker:
    """A pipeline that annotates documents. Subclasses write a priority to
    `doc.user_data`.

    nlp (Language): The pipeline.
    """

    # Other pipelines that the priorities depend on.
    paths: Sequence[Path] = ()

    def __init__(self, nlp: Language) -> None:
        self.nlp = nlp

    def __call__(self, docs: List[Doc]) -> List[Doc]:
        """Annotate a batch."""
        return list(self.nlp.pipe(docs, batch_size=len(docs)))


class DisagreementRanker(Ranker):
    """The number of spans that one of two pipelines finds.

    key (str): Key of doc.spans.
    other (str): The other pipeline.
    backend (Optional[str]): Its matrix products, where it measures which are faster.
    """

    def __init__(
        self, nlp: Language, key: str, other: str, backend: Optional[str]
    ) -> None:
        super().__init__(nlp)
        self.key = key
        self.other = load_pipeline(other)
        if backend is not None and backend_of(self.other) is not None:
            self.other = load_pipeline(other, backend)
        self.other_key = find_key(self.other)
        assert self.other.path is not None
        self.paths = [self.other.path]

    def __call__(self, docs: List[Doc]) -> List[Doc]:
        docs = super().__call__(docs)
        texts = [doc.text for doc in docs]
        with self.other.memory_zone():
            others = self.other.pipe(texts, batch_size=len(docs))
            for doc, other in zip(docs, others):
                differing = _places(doc, self.key) ^ _places(other, self.other_key)
                doc.user_data[PRIORITY] = float(len(differing))
            del other
        return docs


def _places(doc: Doc, key: str) -> Set[Tuple[int, int, str]]:
    spans = doc.spans.get(key, ())
    return {(span.start_char, span.end_char, span.label_) for span in spans}


class UncertaintyRanker(Ranker):
    """How unsure a component is.

    pipe (TaskPipe): The component.
    by (str): "margin" or "entropy".
    """

    def __init__(self, nlp: Language, pipe: TaskPipe, by: str) -> None:
        super().__init__(nlp)
        self.pipe = pipe
        self.by = by
        self.place = [component for _, component in nlp.pipeline].index(pipe)

    def __call__(self, docs: List[Doc]) -> List[Doc]:
        names, pipe = self.nlp.pipe_names, self.pipe
        n = len(docs)
        docs = list(self.nlp.pipe(docs, batch_size=n, disable=names[self.place :]))
        scores = pipe.score_candidates(docs)
        priorities = pipe.task.uncertainty(scores, self.by, pipe.cfg)
        pipe.set_annotations(docs, scores)
        for doc, priority in zip(docs, priorities):
            doc.user_data[PRIORITY] = round(float(priority), DECIMALS)
        behind = names[: self.place + 1]
        return list(self.nlp.pipe(docs, batch_size=n, disable=behind))


def make_ranker(
    selection: Optional[Selection], nlp: Language, key: str, backend: Optional[str]
) -> Ranker:
    """A ranker of a pipeline.

    selection (Optional[Selection]): What makes documents worth a look, None if all of
        them are written.
    nlp (Language): The pipeline.
    key (str): Key of doc.spans.
    backend (Optional[str]): Matrix products, where pipelines measure which are faster.
    RAISES (ValueError): If no component has probabilities.
    """
    if selection is None or selection.by == "random":
        # Of "random", priorities come from the names of documents.
        return Ranker(nlp)
    if selection.other is not None:
        return DisagreementRanker(nlp, key, selection.other, backend)
    for pipe in reversed([*task_pipes(nlp).values()]):
        if pipe.key == key:
            return UncertaintyRanker(nlp, pipe, selection.by)
    raise ValueError(Errors.E191.format(by=selection.by, key=key, names=nlp.pipe_names))


class SelectedOutput(Output):
    """The documents of the highest priority, the highest first. Of the same priority,
    the first in the input.

    A part holds those of its block, so that memory and disk do not grow with the input.

    output (Output): The form in which they are written.
    selection (Selection): How many they are.
    """

    def __init__(self, output: Output, selection: Selection) -> None:
        super().__init__(output.key, output.model)
        self.output = output
        self.selection = selection
        self.suffix = output.suffix
        self.is_folder = output.is_folder

    def render(
        self, doc: Doc, fields: Mapping[str, Any], name: str, lost: Counter
    ) -> Any:
        priority = doc.user_data.pop(PRIORITY, None)
        if priority is None:
            priority = _draw(name, self.selection.seed)
        # What is lost counts for those that are written.
        own: Counter = Counter()
        content = self.output.render(doc, {**fields, PRIORITY: priority}, name, own)
        return priority, own, content

    def pack(self, rendered: Sequence[Any]) -> bytes:
        entries = (
            (priority, i, own, content)
            for i, (priority, own, content) in enumerate(rendered)
        )
        return srsly.msgpack_dumps(
            [
                (priority, i, dict(lost), self.output.pack([content]))
                for priority, i, lost, content in self._best(entries)
            ]
        )

    def join(self, parts: Iterable[Callable[[], bytes]], path: str) -> None:
        self.output.join(self._chosen(parts), path)

    def write(self, parts: Iterable[Callable[[], bytes]], file: BinaryIO) -> None:
        self.output.write(self._chosen(parts), file)

    def _best(self, entries: Iterable[Entry]) -> List[Entry]:
        def rank(entry: Entry) -> Tuple[float, int]:
            return -entry[0], entry[1]

        return heapq.nsmallest(self.selection.n, entries, key=rank)

    def _chosen(
        self, parts: Iterable[Callable[[], bytes]]
    ) -> Iterator[Callable[[], bytes]]:
        def entries() -> Iterator[Entry]:
            n_before = 0
            for part in parts:
                # In the order of the input.
                rows = sorted(srsly.msgpack_loads(part()), key=lambda row: row[1])
                for priority, _, lost, content in rows:
                    yield priority, n_before, lost, content
                    n_before += 1

        self.lost = Counter()
        for _, _, lost, content in self._best(entries()):
            self.lost.update(lost)
            yield partial(bytes, content)


def _draw(name: str, seed: int) -> float:
    """A number between 0 and 1 that depends on a name and a seed alone."""
    digest = blake2b(f"{seed} {name}".encode("utf8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") / 2**64
