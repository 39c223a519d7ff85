"""XML and SGML as a stream of events, read without a document type.

A file needs no root element: many corpora are texts with tags and nothing around them.
Entities are never expanded: a file that declares some is an error, and nothing outside
of the file is read.
"""

import codecs
import html
import re
from itertools import chain
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple
from xml.parsers import expat

from .preview import Preview
from .record import CorpusError, LineError
from .source import CHUNK, Source

START, END, TEXT = "start", "end", "text"
# The element that is put around a file.
ROOT = "_"
PROLOG = re.compile(
    r"\ufeff?\s*(<\?xml.*?\?>)?(\s|<!--.*?-->|<\?.*?\?>)*"
    r"(<!DOCTYPE\s[^\[>]*(\[.*?\]\s*)?>)?",
    re.DOTALL | re.IGNORECASE,
)
BEGINNING = re.compile(r"\ufeff?\s*<[A-Za-z!?]")
ENCODING = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w.:-]+)")
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
# An entity of HTML, and the beginning of one at the end of a chunk.
ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{0,30});")
OWN_ENTITIES = {"amp", "lt", "gt", "quot", "apos"}
CUT_ENTITY = re.compile(r"&[A-Za-z0-9]{0,31}$")


class Event(NamedTuple):
    """The beginning or the end of an element, or text.

    kind (str): START, END or TEXT.
    value (str): The name of the element without its namespace, or the text.
    attributes (Dict[str, str]): Those of the element, at its beginning.
    line (int): The line on which it begins.
    """

    kind: str
    value: str
    attributes: Dict[str, str]
    line: int


def xml_events(source: Source) -> Iterator[Event]:
    """The events of a file, all of them inside of an element named ROOT.

    source (Source): The file; `line` is that of the event.
    RAISES (LineError): If the file is no XML, or declares entities.
    """
    parser = _Parser()
    parser.feed(f"<{ROOT}>")
    for chunk in chain(_chunks(source), [None]):
        parser.feed(f"</{ROOT}>" if chunk is None else chunk, is_last=chunk is None)
        for event in parser.events():
            source.line = event.line
            yield event
        if parser.error is not None:
            source.line, reason = parser.error
            # What is behind it cannot be read.
            with source.record():
                raise LineError(reason)
            return


def first_events(preview: Preview) -> List[Event]:
    """The events of the beginning of a file, none if it is no XML."""
    events, error = _beginning(preview)
    # What is damaged behind its beginning is an error when it is read.
    return events if error is None or begins_as_xml(preview) else []


def xml_error(preview: Preview) -> Optional[CorpusError]:
    """Why a file that begins as XML cannot be read as such, if it cannot."""
    return _beginning(preview)[1] if begins_as_xml(preview) else None


def begins_as_xml(preview: Preview) -> bool:
    """Whether a file begins with a tag or a declaration."""
    return BEGINNING.match(preview.text) is not None


def _beginning(preview: Preview) -> Tuple[List[Event], Optional[CorpusError]]:
    if "<" not in preview.text and not preview.content.startswith(tuple(MARKS)):
        return [], None
    return preview.beginning(xml_events)


class _Parser:
    """Expat, with all that could reach out of a file refused."""

    def __init__(self) -> None:
        self._events: List[Event] = []
        # The line and the reason, if something is no XML.
        self.error: Optional[Tuple[int, str]] = None
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, text: str, is_last: bool = False) -> None:
        if self.error is not None:
            return
        try:
            self._parser.Parse(text, is_last)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            self.error = error.lineno, f"invalid XML ({reason})"
        except ValueError as error:
            self.error = self._parser.CurrentLineNumber, f"invalid XML ({error})"

    def events(self) -> List[Event]:
        """What was read since the last call."""
        events, self._events = self._events, []
        return events

    def _start(self, name: str, attributes: Dict[str, str]) -> None:
        self._add(START, name.rpartition(":")[2], attributes)

    def _end(self, name: str) -> None:
        self._add(END, name.rpartition(":")[2], {})

    def _text(self, text: str) -> None:
        self._add(TEXT, text, {})

    def _add(self, kind: str, value: str, attributes: Dict[str, str]) -> None:
        line = self._parser.CurrentLineNumber
        self._events.append(Event(kind, value, attributes, line))


def _chunks(source: Source) -> Iterator[str]:
    """The text behind the declarations, which are replaced by their line ends, with
    the entities of HTML as characters."""
    with source.open() as file:
        content = file.read(CHUNK)
        decoder = codecs.getincrementaldecoder(_encoding(content, source))()
        text = decoder.decode(content)
        prolog = PROLOG.match(text)
        if prolog:
            if "<!entity" in prolog[0].lower():
                raise LineError("entities are declared, which are never expanded")
            text = "\n" * prolog[0].count("\n") + text[prolog.end() :]
        while content:
            cut = CUT_ENTITY.search(text)
            place = cut.start() if cut else len(text)
            yield ENTITY.sub(_character, text[:place])
            content = file.read(CHUNK)
            text = text[place:] + decoder.decode(content, final=not content)
        yield ENTITY.sub(_character, text)


def _encoding(content: bytes, source: Source) -> str:
    """The encoding that is given, or else the one that the file itself names."""
    if source.report.encoding is not None:
        return source.report.encoding
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return encoding
    named = ENCODING.match(content)
    name = named[1].decode("ascii") if named else "utf8"
    try:
        # Not all codecs are of text.
        "".encode(name)
    except LookupError:
        raise LineError(f"unknown encoding {name!r}; --encoding names one") from None
    return name


def _character(match: "re.Match[str]") -> str:
    if match[1] in OWN_ENTITIES:
        return match[0]
    found = html.unescape(match[0])
    # Those that end with a sign of XML itself would be read as tags.
    return match[0] if found[0] in "<>&" else found
