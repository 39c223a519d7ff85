"""XML or SGML with the entities as elements inside of a text.

    <doc><s>In <place>Cork</place>, <person>Ann</person> left.</s></doc>
    <ENAMEX TYPE="PERSON">Ann</ENAMEX> left.
    <s><w>In</w> <name type="place"><w>Cork</w></name></s>

Which elements are texts and which entities is found by their places. An element is an
entity if it is inside of one of a name whose elements hold both text and elements, and
a text if it holds entities and is none. An element of one word, beside others of its
name, is a token. A file without a root element has a text a line.

The label is the value of an attribute that all elements of a name have, such as `type`,
or else the name of the element.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from .conversion_report import ConversionReport
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source
from .xml_events import (
    END,
    ROOT,
    START,
    TEXT,
    Event,
    begins_as_xml,
    first_events,
    xml_events,
)

# Attributes whose values are labels.
LABELS = (
    *("type", "label", "class", "category", "cat", "ner", "ne", "entity", "tag"),
    *("entity_type", "entitytype", "kind", "sem", "concept"),
)
# Share of the elements of a name of which something has to hold.
MOST = 0.9
# Share of the elements of a name, of those that hold elements, that also hold text,
# if elements in them are a part of the text.
MIXED = 0.2


@dataclass
class _Element:
    """An element at the beginning of a file."""

    name: str
    parent: Optional["_Element"]
    attributes: Dict[str, str]
    text: str = ""
    children: List["_Element"] = field(default_factory=list)

    def has_words(self, tokens: Set[str]) -> bool:
        """Whether there are words that belong to no element inside of it but
        tokens."""
        return bool(self.text.strip()) or any(c.name in tokens for c in self.children)

    def holds(self, name: str) -> bool:
        """Whether it is of a name, or an element inside of it is."""
        return self.name == name or any(child.holds(name) for child in self.children)

    def ancestors(self) -> Iterator["_Element"]:
        element = self.parent
        while element is not None:
            yield element
            element = element.parent


@dataclass
class Structure:
    """What the elements of a file are.

    texts (Set[str]): Names of those with a text each.
    entities (Set[str]): Names of entities.
    tokens (Set[str]): Names of tokens.
    labels (Dict[str, str]): The attribute that has the label, for each name of
        entities whose label is not the name.
    """

    texts: Set[str]
    entities: Set[str]
    tokens: Set[str]
    labels: Dict[str, str]

    @classmethod
    def of(
        cls, events: Iterable[Event], columns: Optional[Mapping[str, str]] = None
    ) -> "Structure":
        """Find the structure by the beginning of a file.

        columns (Optional[Mapping[str, str]]): The name of the texts as "word", the
            attribute that has the labels under any other key.
        """
        by_name: Dict[str, List[_Element]] = {}
        for element in _elements(events):
            by_name.setdefault(element.name, []).append(element)
        tokens = {n for n, found in by_name.items() if _are_tokens(found)}
        entities: Set[str] = set()
        inner = {n: [e for e in found if e.children] for n, found in by_name.items()}
        mixed = {
            name
            for name, found in inner.items()
            if found and sum(e.has_words(tokens) for e in found) >= MIXED * len(found)
        }
        # What is inside of an entity is one too.
        while True:
            inside = mixed | entities
            more = {
                name
                for name, found in by_name.items()
                if name not in entities | tokens | {ROOT}
                and 2 * sum(a.name in inside for e in found for a in [e.parent] if a)
                >= len(found)
            }
            if not more:
                break
            entities |= more
        given = dict(columns or {})
        text = given.pop("word", None)
        wanted = [*given.values()]
        texts = {
            ancestor.name
            for name in entities
            for element in by_name[name]
            for ancestor in element.ancestors()
            if ancestor.name in mixed - entities
        }
        labels = {
            name: attribute
            for name in entities
            if (attribute := _label_attribute(by_name[name], wanted))
        }
        return cls({text} if text else texts, entities, tokens, labels)


def _elements(events: Iterable[Event]) -> List[_Element]:
    found: List[_Element] = []
    current: Optional[_Element] = None
    for event in events:
        if event.kind == START:
            element = _Element(event.value, current, event.attributes)
            if current is not None:
                current.children.append(element)
            found.append(element)
            current = element
        elif event.kind == TEXT and current is not None:
            current.text += event.value
        elif event.kind == END and current is not None:
            current = current.parent
    return found


def _are_tokens(elements: List[_Element]) -> bool:
    """Whether elements are tokens: words without anything in them, several in each
    element around them, which has no other words."""
    words = sum(len(e.text.split()) == 1 and not e.children for e in elements)
    parents = {id(e.parent): e.parent for e in elements if e.parent is not None}
    name = elements[0].name
    bare = sum(
        not parent.text.strip() and all(child.holds(name) for child in parent.children)
        for parent in parents.values()
    )
    return (
        words >= MOST * len(elements)
        and bare >= MOST * len(parents)
        and len(elements) > len(parents)
    )


def _label_attribute(elements: List[_Element], wanted: List[str]) -> Optional[str]:
    counts = Counter(key for element in elements for key in element.attributes)
    if wanted:
        return next((key for key in wanted if key in counts), None)
    found = {
        key.rpartition(":")[2].lower(): key
        for key, n in counts.items()
        if n >= MOST * len(elements)
    }
    return next((found[key] for key in LABELS if key in found), None)


def read_inline_xml(
    path: Path, report: ConversionReport, columns: Optional[Mapping[str, str]] = None
) -> Iterator[Record]:
    """Read a file, text by text. Arguments as for `read_corpus`.

    columns (Optional[Mapping[str, str]]): As for `Structure.of`.
    """
    with Source(path, report) as source:
        structure = Structure.of(
            first_events(Preview.of(path, report.encoding)), columns
        )
        if not structure.texts:
            raise LineError("there is no element of a text with entities in it")
        yield from _Reader(source, structure).records()


class _Reader:
    """Reads the texts of a file.

    source (Source): The file.
    structure (Structure): What its elements are.
    """

    def __init__(self, source: Source, structure: Structure) -> None:
        self.source = source
        self.structure = structure
        # Names and lines of the elements that are open, around the text.
        self._around: List[Tuple[str, int]] = []
        self._reset()

    def _reset(self) -> None:
        self._pieces: List[str] = []
        self._length = 0
        self._tokens: List[str] = []
        self._mentions: List[Mention] = []
        # Of the elements that are open inside the text: the mention, if it is one.
        self._open: List[Tuple[str, Optional[Mention]]] = []
        self._n_others = 0
        self._line = 0

    def records(self) -> Iterator[Record]:
        """RAISES (LineError): If the file is no XML."""
        in_text = False
        for event in xml_events(self.source):
            name = event.value
            if event.kind == TEXT:
                if in_text:
                    yield from self._read_text(event)
            elif event.kind == START:
                if in_text:
                    self._start(event)
                elif name in self.structure.texts:
                    self._reset()
                    self._line = event.line
                    in_text = True
                else:
                    self._n_others += name in self.structure.entities
                    self._around.append((name, event.line))
            elif in_text and not self._open:
                yield from self._finish()
                in_text = False
            elif in_text:
                self._end()
            else:
                self._around.pop()
        record = Record(self.source.path, self.source.line, None)
        self.source.report.add(
            "unsupported annotation (relation, event)", record, n=self._n_others
        )

    def _read_text(self, event: Event) -> Iterator[Record]:
        text, line = event.value, event.line
        # Without a root element each line is a text.
        while ROOT in self.structure.texts and not self._open and "\n" in text:
            before, _, text = text.partition("\n")
            self._add(before)
            yield from self._finish()
            line += 1
            self._reset()
            self._line = line
        self._add(text)

    def _add(self, text: str) -> None:
        if self.structure.tokens:
            if self._open and self._open[-1][0] in self.structure.tokens:
                self._tokens[-1] += text
            else:
                self._tokens += text.split()
        self._pieces.append(text)
        self._length += len(text)

    def _place(self) -> int:
        return len(self._tokens) if self.structure.tokens else self._length

    def _start(self, event: Event) -> None:
        structure, name = self.structure, event.value
        mention: Optional[Mention] = None
        if name in structure.tokens:
            self._tokens.append("")
        elif name in structure.entities:
            attribute = structure.labels.get(name)
            label = name if attribute is None else event.attributes.get(attribute, "")
            mention = Mention(self._place(), -1, label)
            self._mentions.append(mention)
        else:
            # An element of another name is not known to be an entity.
            self._n_others += 1
        self._open.append((name, mention))

    def _end(self) -> None:
        name, mention = self._open.pop()
        if mention is not None:
            mention.end = self._place()
        if name in self.structure.tokens and not self._tokens[-1].strip():
            record = Record(self.source.path, self.source.line, None)
            self.source.report.add("empty token", record)
            self._tokens.pop()

    def _finish(self) -> Iterator[Record]:
        text = "".join(self._pieces)
        if not text.strip() and not self._mentions:
            return
        # What is around a text in the document, but not the root, is the document.
        depth = 1 + (ROOT not in self.structure.texts)
        inner = self._around[depth:]
        path = self.source.path
        record = Record(
            path,
            self._line or 1,
            self._mentions,
            doc_id=f"{path}:{inner[0][1]}" if inner else None,
            n_unsupported=self._n_others,
        )
        self._n_others = 0
        if self.structure.tokens:
            record.tokens = [token.strip() for token in self._tokens]
        else:
            # White space around a text is that of the file.
            start = len(text) - len(text.lstrip())
            record.text, record.unit = text.strip(), "characters"
            for mention in self._mentions:
                mention.start = min(max(mention.start - start, 0), len(record.text))
                mention.end = min(max(mention.end - start, 0), len(record.text))
        yield record


def is_inline_xml(preview: Preview) -> bool:
    """Whether a file is of this format."""
    # Words with tags of another kind may have signs of XML.
    if not begins_as_xml(preview) and (
        preview.is_json
        or "</" not in preview.text
        or any("\t" in line for line in preview.lines)
    ):
        return False
    return bool(Structure.of(first_events(preview)).texts)


def describe_inline_xml(
    path: Path, report: ConversionReport, columns: Optional[Mapping[str, str]] = None
) -> List[str]:
    """Which elements of a file are read as what, for people."""
    events = first_events(Preview.of(path, report.encoding))
    found = Structure.of(events, columns)
    known = found.texts | found.entities | found.tokens | {ROOT}
    others = {e.value for e in events if e.kind == START} - known
    by_name = sorted(found.entities - found.labels.keys())
    texts = sorted(found.texts - {ROOT}) + ["lines"] * (ROOT in found.texts)
    return [
        f"texts: {', '.join(texts)}",
        *([f"tokens: {', '.join(sorted(found.tokens))}"] if found.tokens else []),
        *([f"entities by their names: {', '.join(by_name):.100}"] if by_name else []),
        *(
            f"entities by the attribute {attribute}: {name}"
            for name, attribute in sorted(found.labels.items())
        ),
        *([f"other elements: {', '.join(sorted(others)):.100}"] if others else []),
    ]


FORMAT = Format(
    name="inline-xml",
    description="XML or SGML with the entities as elements inside of a text.",
    matches=is_inline_xml,
    read=read_inline_xml,
    example={
        "train.xml": """\
<corpus><s>In <place>Cork</place>, <person>Ann</person> left.</s></corpus>
"""
    },
    options=("columns",),
    describe=describe_inline_xml,
)
