"""A new project, or a config alone."""

import shlex
from pathlib import Path
from typing import Optional

import typer
from spacy import util
from spacy.cli.init_config import RECOMMENDATIONS

from ..errors import Errors
from ..project import CONFIGS, create_project, require_new
from ..training.configs import assemble
from .messages import QUIET, msg

TOK2VEC, TRANSFORMER = "tok2vec", "transformer"
FLAT_SYSTEM, RELATION_SYSTEM = "global_pointer_semi_markov_crf", "relations"
SYSTEMS = sorted(path.stem for path in CONFIGS.glob("systems/*.cfg"))


def init_cli(
    folder: Path = typer.Argument(..., help="Folder for the project", file_okay=False),
    config_only: bool = typer.Option(
        False, "--config-only", help="Write FOLDER/config.cfg alone, without a project"
    ),
    lang: str = typer.Option("en", "--lang", "-l", help="Language code"),
    encoder: Optional[str] = typer.Option(
        None,
        "--encoder",
        "-e",
        help="tok2vec, or the name or folder of a transformer. Default: tok2vec, or with --gpu the transformer that spaCy recommends for the language",
    ),
    gpu: bool = typer.Option(False, "--gpu", "-G", help="Train on GPU 0"),
    flat: bool = typer.Option(
        False,
        "--flat",
        help="No spans of the corpus overlap: learn whole answers (semi-Markov CRF)",
    ),
    relations: bool = typer.Option(
        False, "--relations", help="Learn relations between spans, too"
    ),
    system: Optional[str] = typer.Option(
        None,
        "--system",
        "-s",
        help=f"Another system on the encoder. One of {', '.join(SYSTEMS)}",
    ),
    quiet: bool = QUIET,
) -> None:
    """Write a project that converts a corpus, trains, chooses thresholds, evaluates and
    reports, or with --config-only a config for `spacy train`. `spacy project run all
    FOLDER` runs the project on a demo corpus."""
    given = {"--flat": flat, "--relations": relations, "--system": system is not None}
    if sum(given.values()) > 1:
        names = [name for name, is_given in given.items() if is_given]
        msg.fail(Errors.E182.format(given=names), exits=1)
    if system not in (None, *SYSTEMS):
        msg.fail(
            Errors.E004.format(setting="--system", allowed=SYSTEMS, value=system),
            exits=1,
        )
    try:
        util.get_lang_class(lang)
    except ImportError:
        msg.fail(Errors.E180.format(lang=lang), exits=1)
    if encoder is None:
        encoder = _recommended_transformer(lang) if gpu else TOK2VEC
    kind = TOK2VEC if encoder == TOK2VEC else TRANSFORMER
    if flat or relations:
        system = FLAT_SYSTEM if flat else RELATION_SYSTEM
    name = kind if system is None else f"{kind}-{system}"
    try:
        if config_only:
            _write_config(folder / "config.cfg", name, lang, encoder, gpu)
            return
        variables = {"lang": lang, "config": name, "gpu_id": 0 if gpu else -1}
        if kind == TRANSFORMER:
            variables["encoder"] = encoder
        create_project(folder, variables)
    except ValueError as error:
        msg.fail(str(error), exits=1)
    msg.good(f"Wrote a project to {folder}")
    command = shlex.join(
        ["python", "-m", "spacy", "project", "run", "all", str(folder)]
    )
    msg.text(f"Run it on the demo corpus: {command}")


def _recommended_transformer(lang: str) -> str:
    found = RECOMMENDATIONS.get(lang, {}).get("transformer")
    found = found or RECOMMENDATIONS["__default__"]["transformer"]
    return str(found["efficiency"]["name"])


def _write_config(path: Path, name: str, lang: str, encoder: str, gpu: bool) -> None:
    require_new([path])
    config = assemble(CONFIGS, name)
    config["nlp"]["lang"] = lang
    if encoder != TOK2VEC:
        config["paths"]["encoder"] = encoder
    path.parent.mkdir(parents=True, exist_ok=True)
    config.to_disk(path, interpolate=False)
    msg.good(f"Wrote {path}")
    command = ["python", "-m", "spacy", "train", str(path), "--output", "training"]
    command += ["--paths.train", "train.spacy", "--paths.dev", "dev.spacy"]
    command += ["--gpu-id", "0"] if gpu else []
    msg.text(f"Train with: {shlex.join(command)}")
