"""Write the config that is trained: as it is, or so that it uses static vectors.

Vectors in word2vec's text format (a header line, then a word and its numbers a line;
.txt, .gz or .zip) are converted by `spacy init vectors`. If none of their words has a
capital letter, tokens are looked up by their lower-case form.
"""

import re
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from spacy.cli import app
from spacy.training.initialize import open_file
from thinc.api import Config
from wasabi import msg

SWITCH = "include_static_vectors"


def main(
    config: Annotated[Path, typer.Argument(help="Config", exists=True)],
    output: Annotated[Path, typer.Argument(help="The config that is trained")],
    lang: Annotated[str, typer.Argument(help="Language code")],
    vectors: Annotated[
        Optional[Path], typer.Argument(help="Vectors, word2vec text", exists=True)
    ] = None,
    folder: Annotated[Path, typer.Option(help="Folder for converted vectors")] = Path(
        "vectors"
    ),
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
    target = folder / re.sub(r"(\.txt|\.vec)?(\.gz|\.zip)?$", "", vectors.name)
    attr = "ORTH" if has_capitals(vectors) else "LOWER"
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["init", "vectors", lang, str(vectors), str(target), "--attr", attr]
    app(arguments, standalone_mode=False)
    changed["paths"]["vectors"] = str(target)
    changed.to_disk(output, interpolate=False)
    msg.good(f"Wrote {output}, with the vectors in {target}, looked up by {attr}")


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


def has_capitals(vectors: Path) -> bool:
    """Whether a word has a letter that is not lower case."""
    with closing(open_file(vectors)) as lines:
        next(lines, None)
        words = (line.split(" ", 1)[0] for line in lines)
        return any(word != word.lower() for word in words)


if __name__ == "__main__":
    typer.run(main)
