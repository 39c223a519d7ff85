"""Write the config that is trained: see `spacy_globalpointer.training.configs`."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from spacy_globalpointer.training.configs import (
    assemble,
    enable_static_vectors,
    save_vectors,
)


def make_config(
    configs: Annotated[Path, typer.Argument(help="Folder of configs", exists=True)],
    name: Annotated[str, typer.Argument(help="ENCODER or ENCODER-SYSTEM")],
    output: Annotated[Path, typer.Argument(help="The config that is trained")],
    lang: Annotated[str, typer.Argument(help="Language code")],
    vectors: Annotated[
        str, typer.Argument(help="Vectors, word2vec text. Empty: none")
    ] = "",
    folder: Annotated[Path, typer.Option(help="Folder for vectors")] = Path("vectors"),
) -> None:
    """Write the config of an encoder, or of a system on it, with static vectors where
    they are given. A logger that can write a file writes one beside the config."""
    if vectors and not Path(vectors).is_file():
        raise typer.BadParameter(f"File '{vectors}' does not exist.")
    config = assemble(configs, name)
    if vectors:
        enable_static_vectors(config, name)
        target = save_vectors(Path(vectors), lang, folder)
        config["paths"]["vectors"] = str(target)
    logger = config["training"]["logger"]
    if "output_file" in logger:
        logger["output_file"] = str(output.with_suffix(".jsonl"))
    output.parent.mkdir(parents=True, exist_ok=True)
    config.to_disk(output, interpolate=False)
    added = f"with the vectors in {target}" if vectors else "without static vectors"
    msg.good(f"Wrote {output}, {added}")


if __name__ == "__main__":
    typer.run(make_config)
