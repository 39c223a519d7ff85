"""Write the config that is trained: as it is, or so that it uses static vectors.

Vectors in word2vec's text format (a header line, then a word and its numbers a line;
.txt, .vec, .gz or .zip) are converted as `spacy init vectors` does it. If none of their
words has a capital letter, they are also those of "Word" and "WORD".
"""

import re
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Optional

import spacy
import typer
from spacy.language import Language
from spacy.training.initialize import convert_vectors, open_file
from thinc.api import Config
from wasabi import msg

SWITCH = "include_static_vectors"


def use_vectors(
    config: Annotated[Path, typer.Argument(help="Config", exists=True)],
    output: Annotated[Path, typer.Argument(help="The config that is trained")],
    lang: Annotated[str, typer.Argument(help="Language code")],
    vectors: Annotated[
        Optional[Path], typer.Argument(help="Vectors, word2vec text", exists=True)
    ] = None,
    folder: Annotated[Path, typer.Option(help="Folder for vectors")] = Path("vectors"),
) -> None:
    """Write a config that uses static vectors, or a copy where none are given."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if vectors is None:
        output.write_bytes(config.read_bytes())
        msg.good(f"Wrote {output}, without static vectors")
        return
    changed = Config().from_disk(config, interpolate=False)
    if not switch_on(changed["components"]):
        msg.fail(f"No part of {config} has {SWITCH}, so it takes no vectors", exits=1)
    nlp = spacy.blank(lang)
    read_vectors(nlp, vectors)
    target = folder / re.sub(r"(\.txt|\.vec)?(\.gz|\.zip)?$", "", vectors.name)
    target.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(target)
    changed["paths"]["vectors"] = str(target)
    changed.to_disk(output, interpolate=False)
    msg.good(f"Wrote {output}, with the vectors in {target}")


def switch_on(config: dict[str, Any]) -> int:
    """Set the switches in a config, and say how many there are."""
    n = 0
    for key, value in config.items():
        if key == SWITCH:
            config[key] = True
            n += 1
        elif isinstance(value, dict):
            n += switch_on(value)
    return n


def read_vectors(nlp: Language, path: Path) -> None:
    """Give a pipeline the vectors in a file."""
    convert_vectors(nlp, path, truncate=0, prune=-1)
    if has_capitals(path):
        return
    # The option `--attr LOWER` of `spacy init vectors` would do, but spaCy 3.8 does
    # not save it.
    vectors, strings = nlp.vocab.vectors, nlp.vocab.strings
    for key, row in list(vectors.key2row.items()):
        word = strings[key]
        for form in {word.title(), word.upper()} - {word}:
            vectors.add(strings.add(form), row=row)


def has_capitals(path: Path) -> bool:
    """Whether a word in a file of vectors has a letter that is not lower case."""
    with closing(open_file(path)) as lines:
        next(lines, None)
        words = (line.split(" ", 1)[0] for line in lines)
        return any(word != word.lower() for word in words)


if __name__ == "__main__":
    typer.run(use_vectors)
