"""What readers give: a document or sentence as its file has it, not yet a Doc."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from spacy.tokens import Doc

from ..errors import Errors

# Head, tail and label.
Relation = Tuple[int, int, str]


class CorpusError(ValueError):
    """A file that cannot be read. The message names file, line and reason."""

    @classmethod
    def at(cls, path: Path, line: int, reason: object) -> "CorpusError":
        message = Errors.E009.format(path=path, line=line, reason=reason)
        # Half of a surrogate pair cannot be printed.
        return cls(message.encode("utf8", "backslashreplace").decode("utf8"))


class LineError(ValueError):
    """What is wrong with a line. `Source` adds which line of which file."""


@dataclass
class Mention:
    """A span as it is given.

    start, end (int): Offsets, in the unit that the record names.
    label (str): The label.
    surface (Optional[str]): The string that the source gives for it.
    fragments (List[Tuple[int, int]]): The parts of a discontinuous mention, ends
        exclusive, in the order of the text; empty for any other.
    kb_id (str): Identifier in a knowledge base.
    id (str): Identifier of the span.
    """

    start: int
    end: int
    label: str
    surface: Optional[str] = None
    fragments: List[Tuple[int, int]] = field(default_factory=list)
    kb_id: str = ""
    id: str = ""


@dataclass
class Record:
    """A document or a sentence.

    path (Path): The file.
    line (int): The line on which it begins.
    mentions (Optional[List[Mention]]): None: there is no annotation, which is not
        the same as annotation that found nothing.
    text (Optional[str]): The text.
    tokens (Optional[List[str]]): The tokens, where the source has them.
    unit (str): What offsets count, "tokens" or "characters".
    inclusive (bool): Whether `end` is inclusive in the format.
        Where a mention has its surface, that decides.
    sent_starts (Optional[List[int]]): The tokens at which sentences begin.
    doc_id (Optional[str]): The document to which it belongs.
    relations (Optional[List[Relation]]): Head, tail and label of each relation; head
        and tail are positions in `mentions`. None: the source does not annotate
        relations.
    n_unsupported (int): How many annotations there are that are neither a span nor a
        relation of two of them, such as events.
    outside (Optional[List[Tuple[int, int]]]): Where it is known that there is no
        entity, in `unit`, ends exclusive, if the source does not know it of all
        that its mentions leave. None: it does.
    rejected (Optional[List[Mention]]): Mentions that are known to be wrong, of a
        document that is annotated in part: `mentions` are right, and nothing is known
        of all else. None: it is annotated as a whole.
    doc (Optional[Doc]): The document itself, from spaCy's own format; mentions
        count its tokens.
    attrs (Dict[str, Any]): More attributes of the group of spans.
    """

    path: Path
    line: int
    mentions: Optional[List[Mention]]
    text: Optional[str] = None
    tokens: Optional[List[str]] = None
    unit: str = "tokens"
    inclusive: bool = False
    sent_starts: Optional[List[int]] = None
    doc_id: Optional[str] = None
    relations: Optional[List[Relation]] = None
    n_unsupported: int = 0
    outside: Optional[List[Tuple[int, int]]] = None
    rejected: Optional[List[Mention]] = None
    doc: Optional[Doc] = None
    attrs: Dict[str, Any] = field(default_factory=dict)
