"""Annotated documents as arrays, read from `.spacy` files without making a Doc of
each: that takes spaCy a millisecond."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Sequence, Tuple

import numpy
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH, SENT_START
from spacy.strings import StringStore
from spacy.tokens import Doc, DocBin
from spacy.training.corpus import FILE_TYPE, walk_corpus
from srsly.msgpack import Unpacker

from ..span_groups import piece_positions
from ..stored_spans import SPAN_DTYPE
from .link_statistics import LinkStatistics, PlaceT
from .record import CorpusError
from .span_statistics import Ints, Mask

NO_SPANS: NDArray[Any] = numpy.zeros(0, SPAN_DTYPE)


@dataclass
class CorpusTable:
    """The documents of a part, laid end to end.

    orths (NDArray): The word of each token, as the hash of its string.
        *Shape:* (n_tokens,), uint64
    spaces (Mask): Which tokens are followed by a space. *Shape:* (n_tokens,)
    sentences (Ints): The first token of each sentence; a document without sentences
        is one. *Shape:* (n_sentences,)
    lengths (Ints): Tokens of each document. *Shape:* (n_docs,)
    annotated (Mask): Which documents say anything of spans. *Shape:* (n_docs,)
    known_text (Mask): Of which documents the whitespace is known.
        *Shape:* (n_docs,)
    starts, ends (Ints): Offsets of the spans, counted over all documents.
        *Shape:* (n_spans,)
    ids (Ints): The label of each span, a place in `labels`. *Shape:* (n_spans,)
    labels (List[str]): The labels, sorted.
    keys (Dict[str, int]): How many spans there are under each key of doc.spans, and
        under "" in doc.ents.
    strings (StringStore): The strings.
    links (LinkStatistics): The relations and discontinuous entities of the group.
    """

    orths: NDArray[Any]
    spaces: Mask
    sentences: Ints
    lengths: Ints
    annotated: Mask
    known_text: Mask
    starts: Ints
    ends: Ints
    ids: Ints
    labels: List[str]
    keys: Dict[str, int]
    strings: StringStore
    links: LinkStatistics

    @classmethod
    def of(cls, docs: Iterable[Doc], key: str, gold: str = "spans") -> "CorpusTable":
        """The table of documents in memory."""
        return cls._of_bins([DocBin(docs=docs)], key, gold)

    @classmethod
    def read(cls, path: Path, key: str, gold: str = "spans") -> "CorpusTable":
        """Read a `.spacy` file, or a folder of them.

        path (Path): The file.
        key (str): Key of doc.spans.
        gold (str): "spans", or "ents" for doc.ents instead.
        RAISES (CorpusError): If it is none, or damaged.
        """
        return cls._of_bins(_bins(path), key, gold)

    @classmethod
    def _of_bins(cls, bins: Iterable[DocBin], key: str, gold: str) -> "CorpusTable":
        strings = StringStore()
        keys: Dict[str, int] = {}
        orths, spaces, sentences, spans = [], [], [], []
        lengths: List[int] = []
        annotated, known_text = [], []
        offset = 0
        unpack = _Groups()
        links = LinkStatistics()
        for doc_bin in bins:
            for string in doc_bin.strings:
                strings.add(string)
            columns = {attr: i for i, attr in enumerate(doc_bin.attrs)}
            for tokens, space, packed, flags in zip(
                doc_bin.tokens, doc_bin.spaces, doc_bin.span_groups, doc_bin.flags
            ):
                every = unpack(packed)
                groups = {name: _entities_of(*group) for name, group in every.items()}
                if key in every:
                    links.add(_places(every[key][0], strings), every[key][1])
                ents, is_annotated = _entities(tokens, columns)
                for name, group in (*groups.items(), ("", ents)):
                    keys[name] = keys.get(name, 0) + len(group)
                found = ents if gold == "ents" else groups.get(key, NO_SPANS)
                annotated.append(is_annotated if gold == "ents" else key in groups)
                known_text.append(not flags.get("has_unknown_spaces"))
                spans.append(
                    (found["start"] + offset, found["end"] + offset, found["label"])
                )
                orths.append(tokens[:, columns[ORTH]])
                spaces.append(space.ravel())
                sentences.append(_sentences(tokens, columns) + offset)
                lengths.append(len(tokens))
                offset += len(tokens)
        starts, ends, hashes = map(_joined, zip(*spans)) if spans else [_joined([])] * 3
        values, inverse = numpy.unique(hashes.astype("uint64"), return_inverse=True)
        names = [strings[int(value)] for value in values]
        order = sorted(range(len(names)), key=names.__getitem__)
        rank = numpy.argsort(order)
        return cls(
            orths=_joined(orths),
            spaces=_joined(spaces).astype(bool),
            sentences=_joined(sentences).astype("int64"),
            lengths=numpy.array(lengths, dtype="int64"),
            annotated=numpy.array(annotated, dtype=bool),
            known_text=numpy.array(known_text, dtype=bool),
            starts=starts.astype("int64"),
            ends=ends.astype("int64"),
            ids=rank[inverse] if len(rank) else inverse,
            labels=[names[i] for i in order],
            keys=keys,
            strings=strings,
            links=links,
        )


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return numpy.concatenate(
        [numpy.zeros(0, "uint64"), *arrays], dtype="uint64", casting="unsafe"
    )


def _bins(path: Path) -> Iterator[DocBin]:
    for location in walk_corpus(path, FILE_TYPE):
        try:
            yield DocBin().from_disk(location)
        except Exception as error:
            # The bytes may be anything, and so may be what spaCy raises.
            raise CorpusError.at(
                location, 1, f"not a .spacy file, or damaged ({error})"
            ) from None


class _Groups:
    """Unpacks the span groups of documents."""

    def __init__(self) -> None:
        # srsly's functions ask the registry of entry points each time.
        self._unpacker = Unpacker(raw=False, strict_map_key=False)

    def __call__(self, packed: bytes) -> Dict[str, Tuple[NDArray[Any], Dict[str, Any]]]:
        """The spans under each key, and the attributes of the group."""
        found = self._unpack(packed) if packed else []
        if isinstance(found, list):
            # As spaCy wrote them until version 3.4.
            found = {content: [self._unpack(content)["name"]] for content in found}
        groups = {}
        for content, keys in found.items():
            unpacked = self._unpack(content)
            spans = numpy.frombuffer(b"".join(unpacked["spans"]), SPAN_DTYPE)
            group = spans, unpacked.get("attrs") or {}
            groups.update(dict.fromkeys(keys, group))
        return groups

    def _unpack(self, content: bytes) -> Any:
        self._unpacker.feed(content)
        return self._unpacker.unpack()


def _entities_of(spans: NDArray[Any], attrs: Dict[str, Any]) -> NDArray[Any]:
    """Spans without the pieces of discontinuous entities."""
    pieces = piece_positions(attrs)
    return numpy.delete(spans, list(pieces)) if pieces else spans


def _places(spans: NDArray[Any], strings: StringStore) -> List[PlaceT]:
    starts, ends, labels = (spans[x].tolist() for x in ("start", "end", "label"))
    return [(a, b, strings[label]) for a, b, label in zip(starts, ends, labels)]


def _entities(
    tokens: NDArray[Any], columns: Dict[int, int]
) -> Tuple[NDArray[Any], bool]:
    """doc.ents, and whether there is annotation."""
    if ENT_IOB not in columns:
        return NO_SPANS, False
    iob = tokens[:, columns[ENT_IOB]]
    labels = tokens[:, columns[ENT_TYPE]]
    starts = numpy.flatnonzero((iob == 3) & (labels != 0))
    outside = numpy.append(numpy.flatnonzero(iob != 1), len(iob))
    spans = numpy.zeros(len(starts), SPAN_DTYPE)
    spans["start"] = starts
    spans["end"] = outside[numpy.searchsorted(outside, starts, side="right")]
    spans["label"] = labels[starts]
    # spaCy holds that a document of nothing is annotated.
    return spans, bool(iob.any()) or not len(iob)


def _sentences(tokens: NDArray[Any], columns: Dict[int, int]) -> Ints:
    """The tokens at which sentences begin."""
    if not len(tokens):
        return numpy.zeros(0, dtype="int64")
    begins = numpy.zeros(len(tokens), dtype=bool)
    if SENT_START in columns:
        begins = tokens[:, columns[SENT_START]] == 1
    begins[0] = True
    return numpy.flatnonzero(begins)
