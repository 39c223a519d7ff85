"""Forms of output. Each renders a document, packs those of a block into a part, and
puts parts together to a file."""

import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import (
    Any,
    BinaryIO,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Sequence,
    Tuple,
)

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ..corpora.docbin import DocWriter, all_attrs
from ..errors import Errors
from .annotation import Annotation, annotation_of
from .files import join, write_file

# The key of doc.user_data for the fields of the input that are passed through.
FIELDS = "fields"
# Around the elements of a JSON array, of which each is a line.
ARRAY = b"[\n", b"]\n"


class Output:
    """A form of output.

    key (str): Key of doc.spans.
    model (str): Name and version of the pipeline.
    """

    suffix = ".jsonl"
    # Whether each document is a file.
    is_folder = False

    def __init__(self, key: str, model: str) -> None:
        self.key = key
        self.model = model
        # What is left out when parts are put together, beside what `render` counts.
        self.lost: Counter = Counter()

    def render(
        self, doc: Doc, fields: Mapping[str, Any], name: str, lost: Counter
    ) -> Any:
        """A document in this form.

        doc (Doc): The document.
        fields (Mapping[str, Any]): What the input had beside the text.
        name (str): A name that no other document has.
        lost (Counter): Counts what this form cannot hold.
        RETURNS (Any): What `pack` takes; nothing of it depends on the vocabulary.
        RAISES (ValueError): If the document cannot be written.
        """
        row = self.row(annotation_of(doc, self.key, fields, name), lost)
        return json.dumps(row, ensure_ascii=False).encode("utf8") + b"\n"

    def row(self, found: Annotation, lost: Counter) -> Dict[str, Any]:
        """A document as JSON has it."""
        raise NotImplementedError

    def pack(self, rendered: Sequence[Any]) -> bytes:
        """The content of a part."""
        return b"".join(rendered)

    def join(self, parts: Iterable[Callable[[], bytes]], path: str) -> None:
        """Write a file of all parts.

        parts (Iterable[Callable]): Gives the content of each part.
        path (str): The file.
        """
        with open(path, "wb") as file:
            self.write(parts, file)
            file.flush()
            os.fsync(file.fileno())

    def write(self, parts: Iterable[Callable[[], bytes]], file: BinaryIO) -> None:
        """Write all parts to an open file."""
        for part in parts:
            file.write(part())


class JsonLines(Output):
    """A document a line: text, spans, relations and fragments, and the fields of the
    input after them."""

    def row(self, found: Annotation, lost: Counter) -> Dict[str, Any]:
        row: Dict[str, Any] = {"text": found.text, "spans": found.spans}
        if found.relations:
            row["relations"] = found.relations
        if found.fragments:
            row["fragments"] = found.fragments
        return add_fields(row, found.fields, lost)


def add_fields(
    row: Dict[str, Any], fields: Mapping[str, Any], lost: Counter
) -> Dict[str, Any]:
    """Add the fields of the input whose names are free."""
    for name, value in fields.items():
        if name in row:
            lost[f"field {name!r} of the input, whose name is taken"] += 1
        else:
            row[name] = value
    return row


class SpacyFile(Output):
    """spaCy's own: the documents whole, with the fields of the input in
    `doc.user_data["fields"]`."""

    suffix = ".spacy"

    def render(
        self, doc: Doc, fields: Mapping[str, Any], name: str, lost: Counter
    ) -> Any:
        if fields:
            doc.user_data[FIELDS] = dict(fields)
        return DocBin(docs=[doc], store_user_data=True)

    def pack(self, rendered: Sequence[Any]) -> bytes:
        merged = DocBin(store_user_data=True)
        for one in rendered:
            merged.merge(one)
        return merged.to_bytes()

    def join(self, parts: Iterable[Callable[[], bytes]], path: str) -> None:
        vocab = Vocab()
        with DocWriter(
            Path(path), spans_key=self.key, ents=False, attrs=all_attrs()
        ) as writer:
            for part in parts:
                docs = DocBin(store_user_data=True).from_bytes(part())
                for doc in docs.get_docs(vocab):
                    writer.add(doc)


class Parquet(Output):
    """A document a row. The fields of the input are JSON in the column "fields"."""

    suffix = ".parquet"

    def __init__(self, key: str, model: str) -> None:
        super().__init__(key, model)
        self.schema = _parquet_schema(model)

    def render(
        self, doc: Doc, fields: Mapping[str, Any], name: str, lost: Counter
    ) -> Any:
        found = annotation_of(doc, self.key, fields, name)
        # Both raise an error here for what cannot be encoded.
        found.text.encode("utf8")
        rest = json.dumps(dict(fields), ensure_ascii=False, default=str)
        rest.encode("utf8")
        return {
            "text": found.text,
            "spans": found.spans,
            "relations": found.relations,
            "fragments": found.fragments,
            "fields": rest,
        }

    def pack(self, rendered: Sequence[Any]) -> bytes:
        import pyarrow
        from pyarrow import parquet

        sink = io.BytesIO()
        table = pyarrow.Table.from_pylist(list(rendered), schema=self.schema)
        parquet.write_table(table, sink)
        return sink.getvalue()

    def write(self, parts: Iterable[Callable[[], bytes]], file: BinaryIO) -> None:
        from pyarrow import parquet

        with parquet.ParquetWriter(file, self.schema) as writer:
            for part in parts:
                writer.write_table(parquet.read_table(io.BytesIO(part())))


def _parquet_schema(model: str) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        message = Errors.E161.format(what="Parquet", extra="parquet")
        raise ImportError(message) from None
    number, score = pa.int32(), pa.float32()
    span = [(name, number) for name in ("start", "end", "token_start", "token_end")]
    label = ("label", pa.string())
    relation = [("head", number), ("tail", number), label, ("score", score)]
    columns = [
        ("text", pa.string()),
        ("spans", pa.list_(pa.struct([*span, label, ("score", score)]))),
        ("relations", pa.list_(pa.struct(relation))),
        ("fragments", pa.list_(pa.list_(number))),
        ("fields", pa.string()),
    ]
    return pa.schema(columns, metadata={"model": model})


class Brat(Output):
    """brat's standoff: NAME.txt and NAME.ann. Probabilities are notes."""

    is_folder = True

    def render(
        self, doc: Doc, fields: Mapping[str, Any], name: str, lost: Counter
    ) -> Any:
        found = annotation_of(doc, self.key, fields, name)
        for field in fields:
            lost[f"field {field!r} of the input"] += 1
        row = {"name": name, "text": found.text, "ann": _standoff(found, lost)}
        return json.dumps(row, ensure_ascii=False).encode("utf8") + b"\n"

    def join(self, parts: Iterable[Callable[[], bytes]], path: str) -> None:
        for part in parts:
            for line in part().splitlines():
                row = json.loads(line)
                for suffix, key in ((".txt", "text"), (".ann", "ann")):
                    target = join(path, row["name"] + suffix)
                    write_file(target, row[key].encode("utf8"), durable=False)
        # All of them at once, before the parts are removed.
        os.sync()


def _standoff(found: Annotation, lost: Counter) -> str:
    pieces = {i for places in found.fragments for i in places}
    lines: List[str] = []
    notes: List[str] = []
    names: Dict[int, str] = {}

    def add(label: str, places: Sequence[int]) -> None:
        name = f"T{len(lines) + 1}"
        ranges = [
            piece for i in places for piece in _lines_of(found.text, found.spans[i])
        ]
        if not ranges:
            lost["span of white space"] += 1
            return
        offsets = ";".join(f"{start} {end}" for start, end in ranges)
        surface = " ".join(found.text[start:end] for start, end in ranges)
        lines.append(f"{name}\t{_brat_label(label)} {offsets}\t{surface}")
        scores = [found.spans[i]["score"] for i in places if "score" in found.spans[i]]
        if scores:
            number = len(notes) + 1
            notes.append(f"#{number}\tAnnotatorNotes {name}\tscore {min(scores)}")
        for i in places:
            names.setdefault(i, name)

    for i, span in enumerate(found.spans):
        if i not in pieces:
            add(span["label"], [i])
    for places in found.fragments:
        add(found.spans[places[0]]["label"], places)
    for number, row in enumerate(found.relations, 1):
        head, tail = names.get(row["head"]), names.get(row["tail"])
        if head is None or tail is None:
            lost["relation of a span of white space"] += 1
            continue
        label = _brat_label(row["label"])
        lines.append(f"R{number}\t{label} Arg1:{head} Arg2:{tail}")
        if "score" in row:
            notes.append(
                f"#{len(notes) + 1}\tAnnotatorNotes R{number}\tscore {row['score']}"
            )
    return "".join(f"{line}\n" for line in (*lines, *notes))


def _lines_of(text: str, span: Mapping[str, Any]) -> Iterator[Tuple[int, int]]:
    """A span without the ends of lines in it: an annotation of brat is on one line."""
    start = span["start"]
    for line in text[start : span["end"]].splitlines(keepends=True):
        kept = line.rstrip("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
        if kept:
            yield start, start + len(kept)
        start += len(line)


def _brat_label(label: str) -> str:
    """White space ends a label in brat."""
    return "_".join(label.split()) or "_"


class Prodigy(Output):
    """Pre-annotations for Prodigy: tasks with tokens, spans and relations."""

    def row(self, found: Annotation, lost: Counter) -> Dict[str, Any]:
        found = found.without_pieces(lost)
        tokens = [
            {"text": text, "start": start, "end": start + len(text), "id": i, "ws": ws}
            for i, (text, start, ws) in enumerate(found.tokens)
        ]
        # The last token is in the span here.
        spans = [
            {**span, "token_end": span["token_end"] - 1, "source": self.model}
            for span in found.spans
        ]
        row: Dict[str, Any] = {"text": found.text, "tokens": tokens, "spans": spans}
        if found.relations:
            row["relations"] = [
                {
                    "head": spans[relation["head"]]["token_end"],
                    "child": spans[relation["tail"]]["token_end"],
                    "head_span": _ends(spans[relation["head"]]),
                    "child_span": _ends(spans[relation["tail"]]),
                    **{
                        key: relation[key]
                        for key in ("label", "score")
                        if key in relation
                    },
                }
                for relation in found.relations
            ]
        fields = dict(found.fields)
        meta = fields.pop("meta", {})
        row["meta"] = {**(meta if isinstance(meta, dict) else {"meta": meta})}
        row["meta"]["model"] = self.model
        scores = [span["score"] for span in spans if "score" in span]
        if scores:
            row["meta"]["score"] = min(scores)
        return add_fields(row, fields, lost)


def _ends(span: Mapping[str, Any]) -> Dict[str, Any]:
    keys = ("start", "end", "token_start", "token_end", "label")
    return {key: span[key] for key in keys}


class Doccano(Output):
    """Pre-annotations for doccano, of sequence labeling with relations."""

    def row(self, found: Annotation, lost: Counter) -> Dict[str, Any]:
        found = found.without_pieces(lost)
        row: Dict[str, Any] = {"text": found.text}
        row["entities"] = [
            {
                "id": i,
                "label": span["label"],
                "start_offset": span["start"],
                "end_offset": span["end"],
            }
            for i, span in enumerate(found.spans)
        ]
        row["relations"] = [
            {
                "id": len(found.spans) + i,
                "from_id": relation["head"],
                "to_id": relation["tail"],
                "type": relation["label"],
            }
            for i, relation in enumerate(found.relations)
        ]
        # What doccano does not know becomes its metadata.
        row["scores"] = [span.get("score") for span in found.spans]
        row["model"] = self.model
        lost["score of a relation"] += sum("score" in r for r in found.relations)
        return add_fields(row, found.fields, lost)


class LabelStudio(Output):
    """Pre-annotations for Label Studio: a JSON array of tasks with predictions. The
    fields of the input are in `data`, beside the text."""

    suffix = ".json"

    def row(self, found: Annotation, lost: Counter) -> Dict[str, Any]:
        found = found.without_pieces(lost)
        result: List[Dict[str, Any]] = []
        for i, span in enumerate(found.spans):
            start, end = span["start"], span["end"]
            value = {
                "start": start,
                "end": end,
                "text": found.text[start:end],
                "labels": [span["label"]],
            }
            region = {
                "id": f"s{i}",
                "from_name": "label",
                "to_name": "text",
                "type": "labels",
                "value": value,
            }
            if "score" in span:
                region["score"] = span["score"]
            result.append(region)
        for relation in found.relations:
            link = {
                "type": "relation",
                "from_id": f"s{relation['head']}",
                "to_id": f"s{relation['tail']}",
                "direction": "right",
                "labels": [relation["label"]],
            }
            if "score" in relation:
                link["score"] = relation["score"]
            result.append(link)
        prediction: Dict[str, Any] = {"model_version": self.model, "result": result}
        scores = [span["score"] for span in found.spans if "score" in span]
        if scores:
            prediction["score"] = min(scores)
        data = add_fields({"text": found.text}, found.fields, lost)
        return {"data": data, "predictions": [prediction]}

    def pack(self, rendered: Sequence[Any]) -> bytes:
        return ARRAY[0] + b",".join(rendered) + ARRAY[1]

    def write(self, parts: Iterable[Callable[[], bytes]], file: BinaryIO) -> None:
        before = ARRAY[0]
        for part in parts:
            content = part()[len(ARRAY[0]) : -len(ARRAY[1])]
            if content:
                file.write(before + content)
                before = b","
        file.write((ARRAY[0] if before == ARRAY[0] else b"") + ARRAY[1])


OUTPUTS: Dict[str, Callable[[str, str], Output]] = {
    "jsonl": JsonLines,
    "spacy": SpacyFile,
    "parquet": Parquet,
    "brat": Brat,
    "prodigy": Prodigy,
    "doccano": Doccano,
    "label-studio": LabelStudio,
}


def model_name(nlp: Language) -> str:
    """Name and version of a pipeline."""
    meta = nlp.meta
    return f"{meta['lang']}_{meta['name']}-{meta['version']}"
