"""The chain of tags against all of its paths, one by one."""

import math
from itertools import pairwise, product

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_globalpointer.core.crf import (
    crf_loss,
    softmax_loss,
    span_probabilities,
    viterbi,
)
from spacy_globalpointer.core.tags import SCHEMES, GoldTags, TagScheme, TagScores
from tests.util.lattices import few_examples

# One to three labels, and documents short enough to try all paths.
CASES = [
    ("BIO", 1, [4, 0, 1, 6, 2]),
    ("BIO", 2, [3, 1, 4, 0, 3]),
    ("BILUO", 1, [5, 1, 0, 3, 3]),
    ("BILUO", 2, [1, 4, 0, 2, 3]),
]
every_case = pytest.mark.parametrize("name, n_labels, lengths", CASES)
every_scale = pytest.mark.parametrize("scale", [0.0, 1.0, 10.0])


def letter(scheme, tag):
    return "O" if tag == 0 else scheme.parts[(tag - 1) % len(scheme.parts)]


def label(scheme, tag):
    return (tag - 1) // len(scheme.parts)


def may_follow(scheme, first, second):
    """By the meaning of the letters."""
    a, b = letter(scheme, first), letter(scheme, second)
    if b in "IL":
        return a in "BI" and label(scheme, first) == label(scheme, second)
    return scheme.name == "BIO" or a not in "BI"


def is_legal(scheme, path):
    return (
        letter(scheme, path[0]) not in "IL"
        and (scheme.name == "BIO" or letter(scheme, path[-1]) not in "BI")
        and all(may_follow(scheme, *pair) for pair in pairwise(path))
    )


def legal_paths(scheme, length):
    paths = product(range(scheme.n_tags), repeat=length)
    return [path for path in paths if is_legal(scheme, path)]


def spans_of(scheme, path):
    """Spans of a legal path, token by token."""
    spans, start = [], None
    for i, tag in enumerate([*path, 0]):
        if start is not None and letter(scheme, tag) not in "IL":
            spans.append((start, i, label(scheme, path[start])))
            start = None
        if letter(scheme, tag) in "BU":
            start = i
    return spans


def make_scores(scheme, lengths, scale=1.0, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    n = scheme.n_tags

    def masked(legal, *shape):
        x = torch.randn(*shape, dtype=dtype) * scale
        return x.masked_fill(~torch.from_numpy(legal), -math.inf)

    return TagScores(
        torch.randn(sum(lengths), n, dtype=dtype) * scale,
        masked(scheme.legal, n, n),
        masked(numpy.stack((scheme.legal_first, scheme.legal_last)), 2, n),
        lengths,
    )


def path_score(scores, offset, path):
    total = scores.borders[0, path[0]] + scores.borders[1, path[-1]]
    for i, tag in enumerate(path):
        total = total + scores.emissions[offset + i, tag]
    for first, second in pairwise(path):
        total = total + scores.transitions[first, second]
    return total


def doc_offsets(lengths):
    offset = 0
    for length in lengths:
        if length:
            yield offset, length
        offset += length


def agrees(scheme, path, gold_path, unknown):
    """Whether a path has the gold tags and, where they are known, the gold spans."""
    if any(a != b for a, b, hidden in zip(path, gold_path, unknown) if not hidden):
        return False
    # A gold span that ends before an unknown token does not go on there.
    gold = {s for s in spans_of(scheme, gold_path) if not any(unknown[s[0] : s[1]])}
    return gold <= set(spans_of(scheme, path))


def brute_loss(scheme, scores, gold):
    """- log p(paths that agree with the annotation), by all paths."""
    losses = []
    for offset, length in doc_offsets(scores.lengths):
        own = slice(offset, offset + length)
        unknown = gold.unknown[own].tolist()
        if all(unknown):
            continue
        tags = gold.tags[own].tolist()
        paths = legal_paths(scheme, length)
        values = torch.stack([path_score(scores, offset, path) for path in paths])
        right = [agrees(scheme, path, tags, unknown) for path in paths]
        log_right = values[torch.tensor(right)].logsumexp(0)
        losses.append(values.logsumexp(0) - log_right)
    return torch.stack(losses).mean()


def make_gold(scheme, lengths, seed=0, unknown=0.0):
    """Random legal tags; tokens of unknown status are no part of a span."""
    rng = numpy.random.default_rng(seed)
    tags = []
    for length in lengths:
        if length:
            paths = legal_paths(scheme, length)
            few = [paths[i] for i in rng.integers(len(paths), size=3)]
            # Tokens outside of spans, so that some can be unknown.
            tags.extend(max(few, key=lambda path: path.count(0)))
    tags = numpy.array(tags, dtype=numpy.int64)
    hidden = (rng.random(len(tags)) < unknown) & (tags == 0)
    return GoldTags(tags, hidden)


@every_scale
@every_case
@pytest.mark.parametrize("unknown", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_loss_and_gradient_by_all_paths(name, n_labels, lengths, scale, unknown, seed):
    scheme = TagScheme(name, n_labels)
    scores = make_scores(scheme, lengths, scale, seed)
    gold = make_gold(scheme, lengths, seed, unknown)
    assert gold.unknown.any() == (unknown > 0)
    parts = scores.parts
    for part in parts:
        part.requires_grad_()
    expected = brute_loss(scheme, scores, gold)
    expected.backward()
    for part in parts:
        part.requires_grad_(False)
    loss, gradient = crf_loss(scores, gold, scheme)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9, abs=1e-9)
    for part, computed in zip(parts, gradient.parts):
        torch.testing.assert_close(computed, part.grad, rtol=1e-8, atol=1e-9)


@every_case
def test_the_gradient_is_that_of_finite_differences(name, n_labels, lengths):
    scheme = TagScheme(name, n_labels)
    scores = make_scores(scheme, lengths, 2.0)
    gold = make_gold(scheme, lengths, unknown=0.5)
    _, gradient = crf_loss(scores, gold, scheme)
    rng = numpy.random.default_rng(0)
    step = 1e-5
    for part, d_part in zip(scores.parts, gradient.parts):
        cells = (part > -math.inf).nonzero()
        for cell in cells[rng.permutation(len(cells))[:20]]:
            value = part[tuple(cell)].item()
            losses = []
            for change in (-step, step):
                part[tuple(cell)] = value + change
                losses.append(crf_loss(scores, gold, scheme)[0].item())
            part[tuple(cell)] = value
            slope = (losses[1] - losses[0]) / (2 * step)
            assert d_part[tuple(cell)].item() == pytest.approx(slope, abs=1e-7)
        assert (d_part[part == -math.inf] == 0).all()


@every_scale
@every_case
def test_viterbi_finds_the_best_of_all_paths(name, n_labels, lengths, scale):
    scheme = TagScheme(name, n_labels)
    scores = make_scores(scheme, lengths, scale, seed=3)
    tags = viterbi(scores).tolist()
    assert len(tags) == sum(lengths)
    for offset, length in doc_offsets(lengths):
        path = tuple(tags[offset : offset + length])
        paths = legal_paths(scheme, length)
        assert path in paths
        best = max(path_score(scores, offset, other).item() for other in paths)
        found = path_score(scores, offset, path).item()
        assert found == pytest.approx(best, abs=1e-9)


@every_case
@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_probabilities_of_spans_by_all_paths(name, n_labels, lengths, scale):
    scheme = TagScheme(name, n_labels)
    n_spans = 0
    for seed in range(5):
        scores = make_scores(scheme, lengths, scale, seed)
        gold = make_gold(scheme, lengths, seed)
        probabilities = iter(span_probabilities(scores, gold.tags, scheme))
        for offset, length in doc_offsets(lengths):
            paths = legal_paths(scheme, length)
            values = torch.stack([path_score(scores, offset, p) for p in paths])
            weights = values.softmax(0).tolist()
            held = [set(spans_of(scheme, path)) for path in paths]
            tags = gold.tags[offset : offset + length].tolist()
            for span in spans_of(scheme, tags):
                expected = sum(w for w, spans in zip(weights, held) if span in spans)
                assert next(probabilities) == pytest.approx(expected, abs=1e-9)
                n_spans += 1
        assert not list(probabilities)
    assert n_spans > 5


@few_examples
@given(
    st.sampled_from(sorted(SCHEMES)),
    st.integers(1, 3),
    st.lists(st.integers(0, 12), min_size=1, max_size=5),
    st.sampled_from([0.0, 1.0, 1e4]),
    st.integers(0, 10**6),
)
def test_no_illegal_path_is_found(name, n_labels, lengths, scale, seed):
    scheme = TagScheme(name, n_labels)
    scores = make_scores(scheme, lengths, scale, seed, torch.float32)
    tags = viterbi(scores).tolist()
    for offset, length in doc_offsets(lengths):
        assert is_legal(scheme, tags[offset : offset + length])
    probabilities = span_probabilities(scores, numpy.array(tags, dtype=int), scheme)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@few_examples
@given(
    st.sampled_from(sorted(SCHEMES)),
    st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any),
    st.sampled_from([1e2, 1e4, 1e6]),
    st.integers(0, 10**6),
)
def test_scores_of_any_size_give_a_finite_loss(name, lengths, scale, seed):
    """A diverged head: no loss below 0, no number that is none."""
    scheme = TagScheme(name, 1)
    scores = make_scores(scheme, lengths, scale, seed, torch.float32)
    gold = make_gold(scheme, lengths, seed, unknown=0.3)
    loss, gradient = crf_loss(scores, gold, scheme)
    assert math.isfinite(loss) and loss > -1e-6 * scale
    for part in gradient.parts:
        assert part.isfinite().all()


@every_case
def test_each_document_is_on_its_own(name, n_labels, lengths):
    """Loss, gradient, path and probabilities do not depend on the others."""
    scheme = TagScheme(name, n_labels)
    scores = make_scores(scheme, lengths, 2.0, dtype=torch.float32)
    gold = make_gold(scheme, lengths)
    _, gradient = crf_loss(scores, gold, scheme)
    tags = viterbi(scores)
    together = iter(span_probabilities(scores, tags, scheme))
    n_docs = sum(length > 0 for length in lengths)
    for offset, length in doc_offsets(lengths):
        own = slice(offset, offset + length)
        alone = TagScores(
            scores.emissions[own], scores.transitions, scores.borders, [length]
        )
        own_gold = GoldTags(gold.tags[own], gold.unknown[own])
        _, d_alone = crf_loss(alone, own_gold, scheme)
        torch.testing.assert_close(
            gradient.emissions[own] * n_docs, d_alone.emissions, rtol=0, atol=1e-12
        )
        assert (viterbi(alone) == tags[own]).all()
        for p in span_probabilities(alone, tags[own], scheme):
            assert p == pytest.approx(next(together), abs=1e-12)


@every_case
@pytest.mark.parametrize("unknown", [0.0, 0.6])
def test_softmax_loss_is_cross_entropy_of_known_tokens(
    name, n_labels, lengths, unknown
):
    scheme = TagScheme(name, n_labels)
    scores = make_scores(scheme, lengths)
    gold = make_gold(scheme, lengths, seed=1, unknown=unknown)
    emissions = scores.emissions.clone().requires_grad_()
    known = torch.from_numpy(~gold.unknown)
    n_docs = sum(known[o : o + n].any() for o, n in doc_offsets(lengths))
    expected = (
        torch.nn.functional.cross_entropy(
            emissions[known], torch.from_numpy(gold.tags)[known], reduction="sum"
        )
        / n_docs
    )
    expected.backward()
    loss, gradient = softmax_loss(scores, gold, scheme)
    assert loss.item() == pytest.approx(expected.item())
    torch.testing.assert_close(gradient.emissions, emissions.grad)
    assert not gradient.transitions.any() and not gradient.borders.any()


@pytest.mark.parametrize("lengths", [[], [0], [0, 0], [2, 3]])
def test_nothing_annotated_is_no_loss(lengths):
    scheme = TagScheme("BIO", 2)
    scores = make_scores(scheme, lengths)
    n_tokens = sum(lengths)
    gold = GoldTags(numpy.zeros(n_tokens, dtype=int), numpy.ones(n_tokens, dtype=bool))
    for loss, gradient in (
        crf_loss(scores, gold, scheme),
        softmax_loss(scores, gold, scheme),
    ):
        assert loss == 0
        for part in gradient.parts:
            assert (part == 0).all()
    assert len(viterbi(scores)) == n_tokens


@settings(few_examples, max_examples=5)
@given(st.integers(0, 100))
def test_a_long_document_keeps_its_precision(seed):
    """The sum of a path of 3,000 tokens, each far from 0."""
    scheme = TagScheme("BIO", 2)
    scores = make_scores(scheme, [3000], 5.0, seed, torch.float32)
    scores.emissions += 1000.0
    gold = GoldTags(viterbi(scores), numpy.zeros(3000, dtype=bool))
    loss, gradient = crf_loss(scores, gold, scheme)
    exact = TagScores(
        scores.emissions - 1000.0, scores.transitions, scores.borders, [3000]
    )
    expected, d_expected = crf_loss(exact, gold, scheme)
    assert 0 < loss.item() == pytest.approx(expected.item(), rel=1e-7)
    torch.testing.assert_close(gradient.emissions, d_expected.emissions)


@pytest.mark.gpu
@every_case
def test_a_gpu_says_the_same(name, n_labels, lengths):
    scheme = TagScheme(name, n_labels)
    scores = make_scores(scheme, lengths, dtype=torch.float32)
    on_gpu = TagScores(*(part.cuda() for part in scores.parts), lengths=lengths)
    gold = make_gold(scheme, lengths, unknown=0.6)
    for loss in (crf_loss, softmax_loss):
        (expected, d_expected), (found, d_found) = (
            loss(x, gold, scheme) for x in (scores, on_gpu)
        )
        assert found.item() == pytest.approx(expected.item(), rel=1e-5)
        for part, d_part in zip(d_found.parts, d_expected.parts):
            torch.testing.assert_close(part.cpu(), d_part, rtol=1e-4, atol=1e-6)
    tags = viterbi(scores)
    assert (viterbi(on_gpu) == tags).all()
    probabilities = span_probabilities(on_gpu, tags, scheme)
    expected = span_probabilities(scores, tags, scheme)
    numpy.testing.assert_allclose(probabilities, expected, rtol=1e-6)


@pytest.mark.parametrize("name", SCHEMES)
def test_tokens_outside_of_gold_may_have_labels_without_annotation(name):
    scheme, length = TagScheme(name, 2), 5
    scores = make_scores(scheme, [length], 2.0)
    tags = scheme.encode(*numpy.array([[1], [3], [0]]), length)
    gold = GoldTags(tags, numpy.zeros(length, dtype=bool), [1])
    for part in scores.parts:
        part.requires_grad_()
    paths = legal_paths(scheme, length)
    values = torch.stack([path_score(scores, 0, path) for path in paths])
    right = [
        [span for span in spans_of(scheme, path) if span[2] == 0] == [(1, 3, 0)]
        for path in paths
    ]
    assert 1 < sum(right) < len(paths)
    expected = values.logsumexp(0) - values[torch.tensor(right)].logsumexp(0)
    expected.backward()
    slopes = [part.grad.clone() for part in scores.parts]
    scores.emissions.grad = None
    log_p = scores.emissions.log_softmax(1)
    own = scheme.tags_of(1)
    free = torch.from_numpy(tags == 0)
    outside = log_p[free][:, [0, *range(own.start, own.stop)]].logsumexp(1).sum()
    inside = log_p[~free].gather(1, torch.from_numpy(tags)[~free].unsqueeze(1)).sum()
    expected_softmax = -outside - inside
    expected_softmax.backward()
    for part in scores.parts:
        part.requires_grad_(False)
    loss, gradient = crf_loss(scores, gold, scheme)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    for computed, slope in zip(gradient.parts, slopes):
        torch.testing.assert_close(computed, slope, rtol=0, atol=1e-9)
    loss, gradient = softmax_loss(scores, gold, scheme)
    assert loss.item() == pytest.approx(expected_softmax.item(), rel=1e-9)
    torch.testing.assert_close(
        gradient.emissions, scores.emissions.grad, rtol=0, atol=1e-9
    )
