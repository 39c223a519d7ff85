"""BioC, as XML or JSON: documents of passages, with annotations at offsets that count
the characters of the document.

    <collection><document><id>1</id><passage><offset>0</offset>
      <text>Aspirin helps.</text>
      <annotation id="T1"><infon key="type">Chemical</infon>
        <location offset="0" length="7"/><text>Aspirin</text></annotation>
    </passage></document></collection>

    {"documents": [{"id": "1", "passages": [{"offset": 0, "text": "Aspirin helps.",
      "annotations": [{"id": "T1", "infons": {"type": "Chemical"},
        "text": "Aspirin", "locations": [{"offset": 0, "length": 7}]}]}]}]}

An annotation at several places is discontinuous. A relation of two annotations is
kept, any other counted.
"""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .conversion_report import ConversionReport
from .fields import is_offset, require_object
from .preview import Preview
from .record import LineError, Mention, Record, Relation
from .registry import Format
from .source import Source
from .xml_events import END, START, TEXT, first_events, xml_events

# Under which key of "infons" a label is, the likeliest first.
LABELS = ("type", "label", "class", "category", "entity_type")
# Elements that are collected in a list, and the name of that list in JSON.
LISTS = {
    "document": "documents",
    "passage": "passages",
    "sentence": "sentences",
    "annotation": "annotations",
    "relation": "relations",
    "location": "locations",
    "node": "nodes",
}
Place = Tuple[int, int]


def read_bioc(path: Path, report: ConversionReport) -> Iterator[Record]:
    """Read a file, document by document. Arguments as for `read_corpus`."""
    with Source(path, report) as source:
        is_json = Preview.of(path, report.encoding).is_json
        documents = _json_documents(source) if is_json else _xml_documents(source)
        for document, line in documents:
            with source.record():
                yield _to_record(document, path, line)


def is_bioc(preview: Preview) -> bool:
    """Whether a file is of this format."""
    if preview.is_json:
        return preview.has_rows(lambda row: _is_document(next(_documents_of(row), {})))
    names = [event.value for event in first_events(preview) if event.kind == START]
    return names[1:2] == ["collection"] and "passage" in names


def _is_document(row: Dict[str, Any]) -> bool:
    passages = row.get("passages")
    return isinstance(passages, list) and all(
        isinstance(passage, dict) and "offset" in passage for passage in passages
    )


def _documents_of(row: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """The documents of an object: itself, or what it lists."""
    if "passages" in row:
        yield row
        return
    for value in row.values():
        if isinstance(value, list):
            yield from (v for v in value if isinstance(v, dict) and "passages" in v)


def _json_documents(source: Source) -> Iterator[Tuple[Dict[str, Any], int]]:
    for row in source.json_values():
        with source.record():
            for document in _documents_of(require_object(row)):
                yield document, source.line


def _xml_documents(source: Source) -> Iterator[Tuple[Dict[str, Any], int]]:
    """Each document as its JSON, with its line."""
    open_: List[Dict[str, Any]] = []
    texts: List[str] = []
    keys: List[str] = []
    for kind, name, attributes, line in xml_events(source):
        if kind == TEXT:
            texts.append(name)
        elif kind == START:
            texts = []
            keys.append(attributes.get("key", ""))
            if name in LISTS:
                row: Dict[str, Any] = {**attributes, "infons": {}, "line": line}
                if open_ and name != "document":
                    open_[-1].setdefault(LISTS[name], []).append(row)
                open_.append(row)
        elif kind == END:
            text, texts = "".join(texts), []
            key = keys.pop()
            if name in LISTS:
                row = open_.pop()
                if name == "document":
                    yield row, row["line"]
            elif open_:
                into = open_[-1]["infons"] if name == "infon" else open_[-1]
                into[key if name == "infon" else name] = text


def _to_record(document: Dict[str, Any], path: Path, line: int) -> Record:
    name = document.get("id")
    doc = str(name) if isinstance(name, (str, int)) and name != "" else None
    record = Record(path, line, [], unit="characters", doc_id=doc)
    text = _Text()
    found: List[Tuple[Dict[str, Any], int, int]] = []
    relations: List[Dict[str, Any]] = []
    for passage, offset in _parts(document):
        # Where the text of a passage is, and how far that is from its offset.
        start = text.add(passage.get("text"), offset)
        rows = _rows(passage, "annotations")
        found += [(row, start, start - (offset or 0)) for row in rows]
        relations += _rows(passage, "relations")
    record.text = text.whole
    places = [_places(row) for row, _, _ in found]
    by_document = [
        [(start + shift, end + shift) for start, end in spans]
        for spans, (_, _, shift) in zip(places, found)
    ]
    by_passage = [
        [(start + begin, end + begin) for start, end in spans]
        for spans, (_, begin, _) in zip(places, found)
    ]
    rows = [row for row, _, _ in found]
    # Some count from the beginning of the passage.
    n_found = [_n_found(rows, spans, text.whole) for spans in (by_document, by_passage)]
    chosen = by_passage if n_found[1] > n_found[0] else by_document
    record.mentions = [_mention(row, spans) for row, spans in zip(rows, chosen)]
    positions = {str(row.get("id")): i for i, row in enumerate(rows)}
    kept = [_relation(row, positions) for row in relations]
    record.relations = [relation for relation in kept if relation] or None
    record.n_unsupported = sum(relation is None for relation in kept)
    return record


def _parts(
    document: Dict[str, Any],
) -> Iterator[Tuple[Dict[str, Any], Optional[int]]]:
    """What has a text or annotation, with its offset: the document itself, its
    passages and their sentences."""
    yield document, None
    for passage in _rows(document, "passages"):
        yield passage, _number(passage, "offset")
        for sentence in _rows(passage, "sentences"):
            offset = _number(sentence, "offset")
            # Where the passage has the text, a sentence repeats it.
            part = {**sentence, "text": None} if passage.get("text") else sentence
            yield part, offset


def _rows(row: Dict[str, Any], key: str) -> List[Dict[str, Any]]:
    value = row.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise LineError(f"{key!r} must be a list, got {value!r:.80}")
    return [require_object(item) for item in value]


def _number(row: Dict[str, Any], key: str) -> int:
    value = row.get(key)
    if isinstance(value, str):
        digits = value.strip()
        value = int(digits) if digits.isascii() and digits.isdecimal() else value
    if not is_offset(value):
        raise LineError(f"{key!r} must be an integer, got {value!r:.80}")
    return value


class _Text:
    """The text of a document, with its passages at their offsets."""

    def __init__(self) -> None:
        self.whole = ""
        # The offset of the first passage.
        self._base: Optional[int] = None

    def add(self, text: Any, offset: Optional[int]) -> int:
        """Add a passage. RETURNS (int): Where it begins."""
        if not isinstance(text, str) or offset is None:
            return (offset or 0) - (self._base or 0)
        self._base = offset if self._base is None else self._base
        start = offset - self._base
        if start < len(self.whole):
            # Offsets that begin anew, or count something else.
            start = len(self.whole) + 1
        gap = start - len(self.whole)
        if gap > len(self.whole) + len(text) + 1000:
            raise LineError(f"the offset of a passage is too high, {offset}")
        self.whole += ("\n" * min(gap, 1)).rjust(gap) + text
        return start


def _places(row: Dict[str, Any]) -> List[Place]:
    places = []
    for location in _rows(row, "locations"):
        start = _number(location, "offset")
        places.append((start, start + _number(location, "length")))
    if not places:
        raise LineError(f"an annotation has no location: {row.get('id')!r:.80}")
    return sorted(places)


def _n_found(rows: List[Dict[str, Any]], places: List[List[Place]], text: str) -> int:
    return sum(
        "".join(text[start:end] for start, end in spans).split()
        == str(row.get("text") or "").split()
        for row, spans in zip(rows, places)
        if len(spans) == 1
    )


def _mention(row: Dict[str, Any], places: List[Place]) -> Mention:
    surface = row.get("text")
    surface = surface if isinstance(surface, str) and surface else None
    start, end = places[0][0], max(end for _, end in places)
    fragments = places if len(places) > 1 else []
    return Mention(start, end, _label(row), surface, fragments)


def _label(row: Dict[str, Any]) -> str:
    infons = row.get("infons")
    found = infons if isinstance(infons, dict) else {}
    return next((str(found[key]) for key in LABELS if found.get(key)), "")


def _relation(row: Dict[str, Any], positions: Dict[str, int]) -> Optional[Relation]:
    """A relation of two annotations; None for any other."""
    nodes = [str(node.get("refid")) for node in _rows(row, "nodes")]
    label = _label(row)
    if len(nodes) != 2 or not label or not {*nodes} <= positions.keys():
        return None
    return positions[nodes[0]], positions[nodes[1]], label


FORMAT = Format(
    name="bioc",
    description="BioC as XML or JSON: passages, with annotations at characters.",
    matches=is_bioc,
    read=read_bioc,
    example={
        "train.xml": """\
<?xml version="1.0" encoding="UTF-8"?>
<collection><source></source><date></date><key></key><document><id>1</id>
<passage><offset>0</offset><text>Aspirin helps.</text>
<annotation id="T1"><infon key="type">Chemical</infon>
<location offset="0" length="7"/><text>Aspirin</text></annotation>
</passage></document></collection>
"""
    },
    is_certain=True,
)
