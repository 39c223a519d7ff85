"""All answers of a structured objective: an oracle for small lattices."""

from tests.util.lattices import candidates


def together(kind, a, b):
    """Whether an answer may have two spans (label, first, last)."""
    (_, i, j), (_, k, m) = a, b
    if j < k or m < i:
        return True
    return kind == "nested" and ((i <= k and m <= j) or (k <= i and j <= m))


def answers(kind, lattice):
    """All answers of each document, with the sum of their scores."""
    layout = lattice.layout
    for doc in range(layout.n_docs):
        cells = [
            (label, i, j)
            for label in range(len(lattice.scores))
            for d, i, j in candidates(layout.lengths, layout.width)
            if d == doc
        ]
        found = [((), 0.0)]
        # Grow answers span by span: all sets that may stand together.
        for cell in cells:
            label, i, j = cell
            score = lattice.scores[label, i, j - i].item()
            found += [
                ((*answer, cell), total + score)
                for answer, total in found
                if all(together(kind, cell, other) for other in answer)
            ]
        yield found
