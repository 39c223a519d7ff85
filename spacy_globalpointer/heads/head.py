"""The protocol of torch heads that score spans."""

from typing import Any, List, Protocol

from torch import Tensor, nn

from ..core.lattice import Lattice, Layout

# What a head has that is no torch.nn.Module's: each is named in the error for a head
# that lacks it.
PARTS = ("forward", "resized")


class Head(Protocol):
    """A torch module that fills the lattice.

    The layer `span_scorer` makes a head by `build(hidden_width, n_labels)`, where
    `build` is what an architecture gave to `build_span_model`. It calls `forward` in
    each prediction and training step, and `resized` when a label is added.

    A head keeps nothing from call to call but its weights, so that threads can predict
    with it at the same time. Dropout on its input is the layer's. Autograd gives the
    gradients, unless the head brings its own.
    """

    def forward(self, hidden: Tensor, layout: Layout) -> Lattice:
        """Score all candidates.

        hidden (Tensor): The token vectors of a batch, its documents end to end.
            *Shape:* (n_tokens, hidden_width)
        layout (Layout): Where the candidates are: the lengths of the documents, and
            `layout.width`, the number of lengths.
        RETURNS (Lattice): Scores of shape (n_labels, n_tokens, layout.width); one row
            more, "no entity", if labels exclude each other. -inf for each candidate
            that leaves its document (`~layout.valid`).
        """

    def resized(self, n_labels: int) -> "Head":
        """A copy with more labels, whose scores of the present ones are the same.

        n_labels (int): The new number of labels.
        RETURNS (Head): The copy, on the same device and of the same precision.
        """


def missing_parts(head: Any) -> List[str]:
    """The parts of the protocol that an object lacks.

    head (Any): What is to be a head.
    RETURNS (List[str]): Their names. "torch.nn.Module" if it is no module.
    """
    if not isinstance(head, nn.Module):
        return ["torch.nn.Module"]
    # A module has a `forward` that raises an error.
    return [
        part
        for part in PARTS
        if getattr(type(head), part, None) is getattr(nn.Module, part, None)
    ]
