"""What tests of corpora share: files read into documents, and written in formats."""

from pathlib import Path

from spacy.tokens import DocBin
from spacy.vocab import Vocab

from spacy_globalpointer.corpora import (
    Conversion,
    ConversionReport,
    DocBuilder,
    LanguageTools,
    Options,
    read_corpus,
)

KEY = "mentions"
TOOLS = {lang: LanguageTools(lang) for lang in ("xx", "en", "zh")}


def builder(report=None, lang="xx", align="strict", fragments="drop"):
    return DocBuilder(TOOLS[lang], KEY, align, fragments, report or ConversionReport())


def read(path, report=None, format=None, **options):
    """The documents of a file."""
    report = report or ConversionReport()
    build = builder(report, **options)
    return [build(record) for record in read_corpus(Path(path), report, format)]


def convert(path, **options):
    """The documents that `convert` writes of a file, with entities."""
    target = path.with_suffix(".spacy")
    options = Options(spans_key=KEY, ents=True, **options)
    Conversion(path, target, options).run()
    return list(DocBin().from_disk(target).get_docs(Vocab()))


def write(path, content):
    """Write a text as it stands, or bytes."""
    content = content if isinstance(content, bytes) else content.encode("utf8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
