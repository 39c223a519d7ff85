"""Learning rates over the course of a training."""

import math
import random
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator

from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.training.corpus import FILE_TYPE, walk_corpus
from spacy.util import get_lang_class
from thinc.api import warmup_linear

from ..errors import Errors
from .batches import same_randomness

CorpusT = Callable[[Language], Iterable[Example]]
BatcherT = Callable[[Iterable[Example]], Iterable[Any]]


def warmup_linear_epochs_v1(
    rate: float, warmup: float, epochs: int, batch_size: int, path: Path
) -> Iterator[float]:
    """As version 2, but the number of steps is that of batches of `batch_size`
    documents of all of the file: right with the reader `spacy.Corpus.v1` without
    `limit`, `max_length`, `gold_preproc` and `augmenter`, the batcher
    `spacy.batch_by_sequence.v1`, and without `max_steps`.

    rate (float): The highest rate.
    warmup (float): Share of the training in which the rate rises.
    epochs (int): How often the corpus is read.
    batch_size (int): Documents of a batch.
    path (Path): The training corpus, a `.spacy` file or a folder of them.
    """
    # Like spaCy's reader, leave out documents without tokens.
    n_docs = sum(
        len(tokens) > 0
        for part in walk_corpus(path, FILE_TYPE)
        for tokens in DocBin().from_disk(part).tokens
    )
    return _warmup_linear(rate, warmup, math.ceil(n_docs / batch_size) * epochs)


def warmup_linear_epochs_v2(
    rate: float,
    warmup: float,
    epochs: int,
    max_steps: int,
    corpus: CorpusT,
    batcher: BatcherT,
    lang: str,
    tokenizer: Callable[[Language], Any],
) -> Iterator[float]:
    """Rise linearly, then fall linearly towards 0, which would follow the last step.
    Thinc's `warmup_linear` wants numbers of steps; here the training corpus is read and
    cut into batches as in training, and the batches are counted.

    The number is exact unless it depends on the order of the documents, as with
    `spacy.batch_by_words.v1`, or on chance, as with some augmenters: then it is that of
    other draws, and in steps beyond it the rate stays at the last one.
    `accumulate_gradient` cuts batches, so it does not change the number.

    rate (float): The highest rate.
    warmup (float): Share of the training in which the rate rises.
    epochs (int): `training.max_epochs`.
    max_steps (int): `training.max_steps`.
    corpus (Callable[[Language], Iterable[Example]]): The reader, `corpora.train`.
    batcher (Callable[[Iterable[Example]], Iterable]): `training.batcher`.
    lang (str): `nlp.lang`.
    tokenizer (Callable[[Language], Tokenizer]): `nlp.tokenizer`.
    RAISES (ValueError): If the training has no known end, or no documents.
    """
    if not 0 <= warmup <= 1:
        allowed = "a share of the training, 0 to 1"
        raise ValueError(
            Errors.E004.format(setting="warmup", allowed=allowed, value=warmup)
        )
    # spaCy stops after the step with this number, counted from 0.
    most = max_steps + 1 if max_steps > 0 else None
    if epochs < 1:
        if most is None:
            raise ValueError(Errors.E045.format(epochs=epochs, max_steps=max_steps))
        steps = most
    else:
        with same_randomness():
            nlp = get_lang_class(lang)(create_tokenizer=tokenizer)
            examples = list(corpus(nlp))
            if not examples:
                raise ValueError(Errors.E046)
            batches = _batches(examples, batcher, epochs)
            steps = sum(1 for _ in islice(batches, most))
    rates = list(islice(_warmup_linear(rate, warmup, steps), steps))
    return chain(rates, repeat(rates[-1]))


def _batches(examples: list[Example], batcher: BatcherT, epochs: int) -> Iterator[Any]:
    for _ in range(epochs):
        random.shuffle(examples)
        yield from batcher(examples)


def _warmup_linear(rate: float, warmup: float, steps: int) -> Iterator[float]:
    # Step 0 of a warm-up has the rate 0 and would change nothing.
    rates = warmup_linear(rate, round(warmup * steps), steps + 1)
    next(rates)
    return rates
