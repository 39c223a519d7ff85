"""WebAnno's and INCEpTION's TSV 3: a token a line, with a column for each feature of
each layer.

    #FORMAT=WebAnno TSV 3.2
    #T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value

    #Text=Ann Lee left.
    1-1  0-3  Ann  *[1]  PER[1]
    1-2  4-7  Lee  *[1]  PER[1]

A label is the value of a feature of a layer of spans. Layers that label every token,
such as those of parts of speech, are not read; others are named by `--columns`.
"""

import re
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from .conversion_report import ConversionReport
from .preview import Preview
from .record import LineError, Mention, Record
from .registry import Format
from .source import Source

FORMAT_LINE = re.compile(r"#FORMAT=WebAnno TSV 3")
N_BEFORE = 3
TOKEN = re.compile(r"\d+-\d+")
# Of a token or of a part of one.
NUMBER = re.compile(r"\d+-\d+(?:\.\d+)?")
# A value, and the number of the span over several tokens or of one of several spans.
VALUE = re.compile(r"(.*?)(?:\[(\d+)\])?", re.DOTALL)
SEPARATOR = re.compile(r"(?<!\\)\|")


class Feature(NamedTuple):
    """A feature of a layer of spans.

    layer, name (str): What they are called.
    column (int): Its column.
    """

    layer: str
    name: str
    column: int

    @property
    def title(self) -> str:
        return f"{self.layer.rpartition('.')[2]}.{self.name}"


def read_webanno(
    path: Path, report: ConversionReport, columns: Optional[Mapping[str, str]] = None
) -> Iterator[Record]:
    """Read a file, sentence by sentence. Arguments as for `read_corpus`.

    columns (Optional[Mapping[str, str]]): Features that are read as labels, by name,
        with or without that of their layer, or by number.
    """
    with Source(path, report) as source:
        features, n = _features(Preview.of(path, report.encoding).lines)
        chosen = _choose(Preview.of(path, report.encoding), features, columns)
        rows: List[List[str]] = []
        texts: List[str] = []
        first = 1
        for line in source.lines():
            if line.strip() and line[0] != "#":
                with source.record():
                    cells = line.split("\t")
                    if len(cells) < max(n, N_BEFORE) or not NUMBER.fullmatch(cells[0]):
                        raise LineError(
                            f"a token must be '1-1<tab>0-3<tab>Ann' and {n - N_BEFORE} "
                            f"columns of features, got {line!r:.80}"
                        )
                    first = first if rows else source.line
                    rows.append(cells)
                continue
            if rows:
                yield _to_record(rows, texts, chosen, path, first, report)
                rows, texts = [], []
            if line.startswith("#Text="):
                texts.append(_plain(line[len("#Text=") :]))
        if rows:
            yield _to_record(rows, texts, chosen, path, first, report)


def is_webanno(preview: Preview) -> bool:
    """Whether a file is of this format."""
    return FORMAT_LINE.match(preview.text.lstrip("\ufeff")) is not None


def describe_webanno(
    path: Path, report: ConversionReport, columns: Optional[Mapping[str, str]] = None
) -> List[str]:
    """Which features of a file are read, and which there are, for people."""
    preview = Preview.of(path, report.encoding)
    features, _ = _features(preview.lines)
    chosen = ", ".join(f.title for f in _choose(preview, features, columns))
    return [f"labels: {chosen}", f"of the features {', '.join(_titles(features))}"]


def _titles(features: List[Feature]) -> List[str]:
    return [feature.title for feature in features]


def _features(lines: List[str]) -> Tuple[List[Feature], int]:
    """The features of layers of spans, and how many columns there are."""
    features: List[Feature] = []
    column = N_BEFORE
    for line in lines:
        kind, _, layer = line.partition("=")
        if kind not in ("#T_SP", "#T_CH", "#T_RL"):
            continue
        name, *names = layer.strip().split("|")
        # A layer without features has a column too.
        for feature in names or [""]:
            if kind == "#T_SP":
                features.append(Feature(name, feature, column))
            column += 1
        # A relation names its other end, or a chain its links.
        column += kind == "#T_RL" and not any(n.startswith("BT_") for n in names)
    return features, column


def _choose(
    preview: Preview, features: List[Feature], columns: Optional[Mapping[str, str]]
) -> List[Feature]:
    """The features that are labels."""
    if columns:
        chosen = [
            feature
            for feature in features
            for value in columns.values()
            if value in (feature.name, feature.title, str(feature.column + 1))
        ]
        if chosen:
            return chosen
    rows = [line.split("\t") for line in preview.lines if TOKEN.match(line)]
    found: Dict[str, List[Feature]] = {}
    for feature in features:
        cells = [row[feature.column] for row in rows if len(row) > feature.column]
        values = [cell for cell in cells if cell not in ("", "_")]
        is_dense = len(values) == len(cells) and not any("[" in v for v in values)
        if values and not is_dense and any(not v.startswith("*") for v in values):
            found.setdefault(feature.layer, []).append(feature)
    if not found and features:
        # None is filled, or none has values.
        return [features[-1]]
    names = [name for name in found if "NamedEntity" in name]
    layers = names or [*found]
    if len(layers) != 1:
        raise LineError(
            f"there are several layers of spans ({', '.join(_titles(features))}); name "
            f"the feature that is the label: --columns ner={found[layers[0]][0].title}"
            if layers
            else "there are no layers of spans"
        )
    # "value" is the label of the layers that come with WebAnno.
    labels = found[layers[0]]
    return [next((f for f in labels if f.name == "value"), labels[0])]


def _to_record(
    rows: List[List[str]],
    texts: List[str],
    features: List[Feature],
    path: Path,
    line: int,
    report: ConversionReport,
) -> Record:
    # Parts of tokens follow their token, as 1-1.1.
    tokens = [row for row in rows if TOKEN.fullmatch(row[0])]
    words = [_plain(row[2]) for row in tokens]
    text = "\n".join(texts)
    record = Record(path, line, [], tokens=words, doc_id=str(path))
    if "".join(text.split()) == "".join("".join(words).split()):
        record.text = text
    assert record.mentions is not None
    for feature in features:
        spans: Dict[Tuple[str, str], List[int]] = {}
        for i, row in enumerate(tokens):
            for n, part in enumerate(SEPARATOR.split(row[feature.column])):
                value = VALUE.fullmatch(part)
                if part in ("", "_") or value is None:
                    continue
                number = value[2] or f"token {i} {n}"
                spans.setdefault((value[1], number), []).append(i)
        for (label, _), places in spans.items():
            label = "" if label == "*" else _plain(label)
            record.mentions.append(Mention(places[0], places[-1] + 1, label))
    n_parts = sum(
        row[feature.column] not in ("", "_")
        for row in rows
        for feature in features
        if not TOKEN.fullmatch(row[0])
    )
    report.add("boundary inside a token", record, n=n_parts)
    return record


def _plain(text: str) -> str:
    """A text without the signs that escape others."""
    signs = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda match: signs.get(match[1], match[1]), text)


FORMAT = Format(
    name="webanno",
    description="TSV 3 of WebAnno and INCEpTION: layers of spans over tokens.",
    matches=is_webanno,
    read=read_webanno,
    example={
        "train.tsv": """\
#FORMAT=WebAnno TSV 3.2
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value


#Text=Ann Lee left
1-1\t0-3\tAnn\t*[1]\tPER[1]\t
1-2\t4-7\tLee\t*[1]\tPER[1]\t
1-3\t8-12\tleft\t_\t_\t
"""
    },
    is_certain=True,
    options=("columns",),
    describe=describe_webanno,
)
