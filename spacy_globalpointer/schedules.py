"""Learning rates over the course of a training."""

import math
from pathlib import Path
from typing import Iterator

from spacy.tokens import DocBin
from spacy.training.corpus import FILE_TYPE, walk_corpus
from thinc.api import warmup_linear


def warmup_linear_epochs_v1(
    rate: float, warmup: float, epochs: int, batch_size: int, path: Path
) -> Iterator[float]:
    """Rise linearly, then fall linearly to 0 with the last step of the last
    epoch. Thinc's `warmup_linear` wants numbers of steps; here they follow from
    the corpus.

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
    steps = math.ceil(n_docs / batch_size) * epochs
    # Step 0 of a warm-up has the rate 0 and would teach nothing.
    rates = warmup_linear(rate, round(warmup * steps), steps + 1)
    next(rates)
    return rates
