"""What tests of corpora share: files read into documents, and written in formats."""

from pathlib import Path

from spacy_globalpointer.corpora import Builder, LanguageTools, Tally, read_corpus

KEY = "mentions"
TOOLS = {lang: LanguageTools(lang) for lang in ("xx", "en", "zh")}


def builder(tally=None, lang="xx", align="strict", fragments="drop"):
    return Builder(TOOLS[lang], KEY, align, fragments, tally or Tally())


def read(path, tally=None, format=None, **options):
    """The documents of a file."""
    tally = tally or Tally()
    build = builder(tally, **options)
    return [build(record) for record in read_corpus(Path(path), tally, format)]


def write(path, content):
    """Write a text as it stands, or bytes."""
    content = content if isinstance(content, bytes) else content.encode("utf8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
