"""One component of a pipeline that was trained with several on one encoder."""

from pathlib import Path
from typing import List, Optional

import typer
from spacy.language import Language

from ..pipeline.component import task_pipes
from .common import CODE, MODEL, load, save
from .messages import QUIET, msg


def unbundle_cli(
    model: str = MODEL,
    component: str = typer.Argument(..., help="Name of the component that stays"),
    output: Path = typer.Argument(..., help="Folder for the pipeline"),
    code: Optional[Path] = CODE,
    quiet: bool = QUIET,
) -> None:
    """Cut a pipeline down to one of its span recognizers, without training: the
    others are left out, and encoders that served them alone. What stays predicts as
    before."""
    nlp, _ = load(model, component, gpu_id=-1)
    removed = unbundle(nlp, component)
    save(nlp, output)
    msg.good(f"Wrote {output} without {', '.join(removed) or 'any change'}")


def unbundle(nlp: Language, component: str) -> List[str]:
    """Remove all span recognizers but one.

    nlp (Language): A pipeline that was loaded.
    component (str): The name of the one that stays.
    RETURNS (List[str]): The names of the components that were removed.
    """
    others = task_pipes(nlp)
    key = others.pop(component).key
    training = nlp.config["training"]
    removed = [
        name
        for name, pipe in nlp.components
        if getattr(pipe, "listener_map", None) and {*pipe.listener_map} <= {*others}
    ]
    for name, pipe in others.items():
        if pipe.key != key:
            weights = training["score_weights"]
            for score in [x for x in weights if x.startswith(f"spans_{pipe.key}_")]:
                del weights[score]
        removed.append(name)
    for name in removed:
        nlp.remove_pipe(name)
        for setting in ("frozen_components", "annotating_components"):
            training[setting] = [x for x in training[setting] if x != name]
    # Scores and losses were those of the whole.
    nlp.meta["performance"] = {}
    return removed
