"""What a pipeline found in a document, as plain values."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional

from spacy.tokens import Doc

from ..span_groups import FRAGMENTS, RELATION_SCORES, RELATIONS, piece_positions

# Decimals of a probability.
DECIMALS = 4


@dataclass
class Annotation:
    """A document and its spans.

    text (str): The text.
    spans (List[Dict]): Each with "start" and "end" in characters, "token_start" and
        "token_end" in tokens, ends exclusive, "label", and "score", the probability,
        where there is one.
    relations (List[Dict]): Each with "head" and "tail", positions in `spans`, "label"
        and "score".
    fragments (List[List[int]]): The positions of the pieces of each entity in several
        pieces.
    tokens (List[Tuple[str, int, bool]]): Text and offset of each token, and whether a
        space follows.
    fields (Dict): What the input had beside the text.
    name (str): A name that no other document has.
    """

    text: str
    spans: List[Dict[str, Any]]
    relations: List[Dict[str, Any]]
    fragments: List[List[int]]
    tokens: List[Any]
    fields: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def without_pieces(self, lost: Counter) -> "Annotation":
        """The same without entities in several pieces, for formats that have none.

        lost (Counter): Counts what is left out.
        """
        if not self.fragments:
            return self
        pieces = piece_positions({FRAGMENTS: self.fragments})
        kept = [i for i in range(len(self.spans)) if i not in pieces]
        places = {old: new for new, old in enumerate(kept)}
        relations = [
            {**row, "head": places[row["head"]], "tail": places[row["tail"]]}
            for row in self.relations
            if row["head"] in places and row["tail"] in places
        ]
        lost["entity in several pieces"] += len(self.fragments)
        n_relations = len(self.relations) - len(relations)
        if n_relations:
            lost["relation of an entity in several pieces"] += n_relations
        spans = [self.spans[i] for i in kept]
        return replace(self, spans=spans, relations=relations, fragments=[])


def annotation_of(
    doc: Doc, key: str, fields: Mapping[str, Any], name: str
) -> Annotation:
    """The value of a key of `doc.spans`.

    doc (Doc): The document.
    key (str): The key. Without a group there are no spans.
    fields (Mapping[str, Any]): What the input had beside the text.
    name (str): Name of the document.
    RETURNS (Annotation): The annotation.
    """
    group = doc.spans.get(key)
    attrs = {} if group is None else group.attrs
    spans = [
        {
            "start": span.start_char,
            "end": span.end_char,
            "token_start": span.start,
            "token_end": span.end,
            "label": span.label_,
        }
        for span in group or ()
    ]
    for span, score in zip(spans, _scores(attrs, "scores", len(spans))):
        if score is not None:
            span["score"] = score
    rows = attrs.get(RELATIONS) or ()
    relations = [
        {"head": int(head), "tail": int(tail), "label": label}
        for head, tail, label in rows
    ]
    for relation, score in zip(relations, _scores(attrs, RELATION_SCORES, len(rows))):
        if score is not None:
            relation["score"] = score
    fragments = [[int(i) for i in row] for row in attrs.get(FRAGMENTS) or ()]
    tokens = [(token.text, token.idx, bool(token.whitespace_)) for token in doc]
    return Annotation(doc.text, spans, relations, fragments, tokens, fields, name)


def _scores(attrs: Mapping[str, Any], key: str, n: int) -> List[Optional[float]]:
    scores = attrs.get(key)
    if scores is None or len(scores) != n:
        return [None] * n
    return [round(float(score), DECIMALS) for score in scores]
