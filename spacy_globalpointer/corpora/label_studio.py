"""Label Studio's JSON export of spans in a text, in full or "JSON-MIN".

    [{"id": 1, "data": {"text": "Apple Inc."}, "annotations": [{"id": 5,
      "was_cancelled": false, "result": [{"type": "labels", "from_name": "label",
      "to_name": "text", "value": {"start": 0, "end": 10, "text": "Apple Inc.",
      "labels": ["ORG"]}}]}]}]
    [{"id": 1, "text": "Apple Inc.", "label": [{"start": 0, "end": 10,
      "text": "Apple Inc.", "labels": ["ORG"]}], "annotator": 1}]

A task with several texts gives a document for each that has regions. Of a task that
several people annotated the first annotation is taken. Predictions were shown to them:
in an export that is annotated in part, those that they removed are rejected.
"""

import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .conversion_report import ConversionReport
from .fields import is_offset, is_strings, require_list, require_object, require_offset
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source

# "completions" until version 1.0.
LISTS = ("annotations", "completions")
REGIONS = ("labels", "hypertextlabels")
# Of whom and of when a row of JSON-MIN is.
ABOUT = ("annotator", "annotation_id", "created_at", "updated_at", "lead_time")
# Where a text is, not the text: `valueType="url"`.
LONGEST_ADDRESS = 2000
FILE = r"\S+\.(txt|html?|xml|json|md|csv|tsv|pdf)"
STORE = r"/data/\S*|(s3|gs|azure-blob)://\S*"
ADDRESS = re.compile(rf"{FILE}|{STORE}|https?://\S*|\.{{0,2}}/\S*[/.?]\S*", re.I)
# What is hardly a text, even in a task without regions.
SURE_ADDRESS = re.compile(rf"\S*[^\s:/]/{FILE}|{STORE}", re.I)

# The regions of each text, under the name of its tag.
Regions = Dict[str, List[Mention]]
# Head, tail and label of each relation.
Links = List[Tuple[Mention, Mention, str]]


def read_label_studio(
    path: Path, report: ConversionReport, partial: bool = False
) -> Iterator[Record]:
    """Read a file, task by task. Other arguments as for `read_corpus`.

    partial (bool): Whether predictions that are not in the annotation are rejected.
    """
    with Source(path, report) as source:
        for row in source.json_values():
            with source.record():
                row = require_object(row)
                record = Record(path, source.line, None, unit="characters")
                rejected: Regions = {}
                if "data" in row:
                    texts = _strings_of(require_object(row["data"]))
                    regions, links = _first_annotation(row, record, report)
                    if partial and regions is not None:
                        rejected = _removed(row, regions, record)
                else:
                    about = {key: row[key] for key in row if key not in ABOUT}
                    texts, regions = _strings_of(about), _spans_of_short(row)
                    links = []
                if not texts:
                    raise LineError(f"there is no text in {row!r:.80}")
                yield from _documents(record, texts, regions, links, rejected)


def is_label_studio(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return preview.has_rows(
        lambda row: (
            (
                isinstance(row.get("data"), dict)
                and any(isinstance(row.get(key), list) for key in LISTS)
            )
            or _is_short(row)
        )
    )


def _is_short(row: Dict[str, Any]) -> bool:
    return "data" not in row and (
        ("annotation_id" in row and any(isinstance(v, str) for v in row.values()))
        or ("annotator" in row and isinstance(row.get("text"), str))
        or any(
            key in span
            for value in row.values()
            for span in _regions_in(value)
            for key in REGIONS
        )
    )


def _regions_in(value: Any) -> List[Dict[str, Any]]:
    """The regions of a list under the name of a tag of labels."""
    if not isinstance(value, list):
        return []
    return [
        span
        for span in value
        if isinstance(span, dict)
        and {"start", "end"} <= span.keys()
        and ({*REGIONS} & span.keys() or "label" not in span)
    ]


def _spans_of_short(row: Any) -> Regions:
    """Regions are listed under the name of their tag of labels: there is no name of
    a text."""
    return {
        key: [mention for region in regions for mention in _mentions(region)]
        for key, value in row.items()
        if (regions := _regions_in(value))
    }


def _first_annotation(
    row: Any, record: Record, report: ConversionReport
) -> Tuple[Optional[Regions], Links]:
    """The regions of the first annotation that was not cancelled, None if there is
    none, and its relations."""
    chosen: Optional[Regions] = None
    chosen_links: Links = []
    kind = next((key for key in LISTS if key in row), LISTS[0])
    for annotation in map(require_object, require_list(row, kind)):
        regions, links = _results(annotation, record)
        n = sum(map(len, regions.values())) + len(links)
        if annotation.get("was_cancelled"):
            report.add("document rejected or skipped", record, n=n)
        elif chosen is None:
            chosen, chosen_links = regions, links
        else:
            report.add("another annotator of the same text", record, n=n)
    return chosen, chosen_links


def _removed(row: Any, regions: Regions, record: Record) -> Regions:
    """The regions of predictions that are not in an annotation."""
    found: Regions = {}
    for prediction in row.get("predictions") or ():
        # Some exports have their numbers alone.
        if isinstance(prediction, dict) and prediction.get("result"):
            shown, _ = _results(prediction, Record(record.path, record.line, None))
            for name, mentions in shown.items():
                kept = {_place(x) for x in regions.get(name, ())}
                own = found.setdefault(name, [])
                kept |= {_place(x) for x in own}
                own += [x for x in mentions if _place(x) not in kept]
    return found


def _place(mention: Mention) -> Tuple[int, int, str]:
    return mention.start, mention.end, mention.label


def _results(annotation: Any, record: Record) -> Tuple[Regions, Links]:
    regions: Regions = {}
    by_id: Dict[Any, Mention] = {}
    relations: List[Any] = []
    for result in map(require_object, require_list(annotation, "result")):
        value = result.get("value")
        if result.get("type") in REGIONS and value is not None:
            name = result.get("to_name")
            name = name if isinstance(name, str) else ""
            mentions = _mentions(require_object(value))
            regions.setdefault(name, []).extend(mentions)
            if isinstance(result.get("id"), (int, str)):
                by_id[result["id"]] = mentions[0]
        elif result.get("type") == "relation":
            relations.append(result)
        else:
            record.n_unsupported += 1
    links: Links = []
    for result in relations:
        found = _links(result, by_id)
        links += found
        record.n_unsupported += not found
    return regions, links


def _links(result: Any, by_id: Dict[Any, Mention]) -> Links:
    """The relations of two regions: one a label, and both directions of one that has
    both. A relation without a label, or of what is no region, is none."""
    ids = [result.get(key) for key in ("from_id", "to_id")]
    head, tail = (by_id.get(i) if isinstance(i, (int, str)) else None for i in ids)
    labels, direction = result.get("labels"), result.get("direction")
    if head is None or tail is None or not is_strings(labels):
        return []
    pairs = [(tail, head)] if direction == "left" else [(head, tail)]
    if direction == "bi":
        pairs.append((tail, head))
    return [(*pair, label) for label in labels if label for pair in pairs]


def _mentions(value: Any) -> List[Mention]:
    """A region has one mention a label. One that has lost its labels has a mention
    without a label, which is counted later."""
    labels = next((value[key] for key in REGIONS if value.get(key)), None) or [""]
    if not is_strings(labels):
        raise LineError(f"'labels' must be a list of strings, got {labels!r:.80}")
    # Offsets of HTML are paths, with those of the text beside them.
    places = value.get("globalOffsets")
    places = value if is_offset(value.get("start")) or not places else places
    start, end = require_offset(places, "start"), require_offset(places, "end")
    surface = value.get("text")
    surface = surface if isinstance(surface, str) and surface else None
    return [Mention(start, end, label, surface) for label in labels]


def _strings_of(data: Dict[str, Any]) -> Dict[str, str]:
    return {key: value for key, value in data.items() if isinstance(value, str)}


def _documents(
    record: Record,
    texts: Dict[str, str],
    regions: Optional[Regions],
    links: Links,
    rejected: Regions,
) -> Iterator[Record]:
    """A record for each text that has regions; without any, one for the main text. A
    relation between two texts is counted."""
    found: Dict[str, List[Mention]] = {}
    for name, mentions in (regions or {}).items():
        key = _text_of(name, mentions, texts)
        found.setdefault(key, []).extend(mentions)
    wrong: Dict[str, List[Mention]] = {}
    for name, mentions in rejected.items():
        key = _text_of(name, mentions, texts)
        wrong.setdefault(key, []).extend(mentions)
        found.setdefault(key, [])
    if not found:
        found[_text_of("", [], texts)] = []
    places = {
        id(mention): (key, i)
        for key, mentions in found.items()
        for i, mention in enumerate(mentions)
    }
    n_within = 0
    for i, (key, mentions) in enumerate(found.items()):
        text = texts[key]
        relations = [
            (places[id(head)][1], places[id(tail)][1], label)
            for head, tail, label in links
            if places[id(head)][0] == places[id(tail)][0] == key
        ]
        n_within += len(relations)
        is_last = i == len(found) - 1
        _check_text(text, mentions)
        for mention in (*mentions, *wrong.get(key, ())):
            mention.surface = _with_line_breaks(mention.surface, text)
        yield Record(
            record.path,
            record.line,
            None if regions is None else mentions,
            text=text,
            unit="characters",
            doc_id=f"{record.path}:{record.line}" if len(found) > 1 else None,
            relations=relations or None,
            rejected=wrong.get(key),
            n_unsupported=record.n_unsupported + len(links) - n_within
            if is_last
            else 0,
        )


def _text_of(name: str, mentions: List[Mention], texts: Dict[str, str]) -> str:
    """The key of the text to which a tag's regions belong: that in which the most
    surfaces are at their offsets, then that of the name of the tag, then "text",
    then the one of most words."""

    def fit(key: str) -> Tuple[int, bool, bool, int]:
        text = texts[key]
        found = sum(_is_at_place(mention, text) for mention in mentions)
        return found, key == name, key == "text", len(text.split())

    return max(texts, key=fit)


def _is_at_place(mention: Mention, text: str) -> bool:
    if mention.surface is None:
        return False
    surface = _with_line_breaks(mention.surface, text) or ""
    return text[mention.start : mention.end].split() == surface.split()


def _with_line_breaks(surface: Optional[str], text: str) -> Optional[str]:
    """Line breaks are written as a backslash and an n, which may also be in the text
    itself."""
    if surface is None or "\\n" not in surface or "\\n" in text:
        return surface
    return surface.replace("\\n", "\n")


def _check_text(text: str, mentions: List[Mention]) -> None:
    """RAISES (LineError): If an export holds only the address of its text."""
    if len(text) > LONGEST_ADDRESS or any(_is_at_place(m, text) for m in mentions):
        return
    if (ADDRESS if mentions else SURE_ADDRESS).fullmatch(text.strip()):
        raise LineError(
            f"the text is not in the export, only its address, {text!r:.80}; export "
            'from a project whose Text tag has no valueType="url"'
        )


FORMAT = Format(
    name="label-studio",
    description="Label Studio's JSON and JSON-MIN: tasks with labeled regions.",
    matches=is_label_studio,
    read=read_label_studio,
    options=("partial",),
    example={
        "train.json": """\
[{"id": 1, "data": {"text": "Apple Inc."}, "annotations": [{"result": [
  {"type": "labels", "from_name": "label", "to_name": "text",
   "value": {"start": 0, "end": 10, "text": "Apple Inc.", "labels": ["ORG"]}}]}]}]
"""
    },
)
