"""What all components take."""

import pytest
import spacy
from spacy.util import fix_random_seed
from thinc.api import Adam

from tests.util.pipelines import EVERY_HEAD, LANG, NESTED, example, tok2vec

# The head of each factory.
FACTORIES = {
    "global_pointer": "gp",
    "span_classifier": "boundary",
    "sequence_ner": "crf",
}


def make(factory):
    """A pipeline and its corpus, the same at each call."""
    _, config = EVERY_HEAD[FACTORIES[factory]]
    model = {**config["model"], "tok2vec": tok2vec()}
    nlp = spacy.blank(LANG)
    nlp.add_pipe(factory, config={**config, "model": model})
    corpus = [example(nlp, text, spans) for text, spans in NESTED]
    fix_random_seed(0)
    nlp.initialize(lambda: corpus)
    return nlp.get_pipe(factory), corpus


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.filterwarnings("ignore:.*Component")
def test_get_loss_and_update_take_a_generator(factory):
    results = []
    for given in (list, iter, lambda corpus: (eg for eg in corpus)):
        pipe, corpus = make(factory)
        scores, _ = pipe.model.begin_update([eg.predicted for eg in corpus])
        loss, gradient = pipe.get_loss(given(corpus), scores)
        parts = getattr(gradient, "parts", [gradient])
        sizes = [float(part.abs().sum()) for part in parts]
        optimizer = Adam(0.01)
        losses = [pipe.update(given(corpus), sgd=optimizer)[factory] for _ in range(3)]
        results.append([float(loss), *sizes, *losses])
    assert results[0][0] > 0 and results[0][-1] < results[0][-3]
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.filterwarnings("ignore:.*Component")
def test_what_is_no_example_is_an_error_of_spacy(factory):
    pipe, corpus = make(factory)
    docs = [eg.reference for eg in corpus]
    scores = pipe.predict(docs)
    with pytest.raises(TypeError, match="E978"):
        pipe.get_loss((doc for doc in docs), scores)
    with pytest.raises(TypeError, match="E978"):
        pipe.update(doc for doc in docs)
