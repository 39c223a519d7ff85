"""A page with gold and predicted spans."""

from pathlib import Path
from typing import Optional

import typer
from wasabi import msg

from ..corpora.docbin import write_whole
from ..report import span_page
from .common import COMPONENT, DATA, GPU_ID, MODEL, global_pointer, load, predict, read


@global_pointer.command("visualize")
def visualize_cli(
    model: str = MODEL,
    data: Path = DATA,
    output: Path = typer.Argument(..., help="HTML file"),
    limit: int = typer.Option(
        100, "--limit", "-n", help="Most documents to draw, 0 for all"
    ),
    component: Optional[str] = COMPONENT,
    gpu_id: int = GPU_ID,
) -> None:
    """Draw gold spans beside predicted ones on one self-contained HTML page."""
    nlp, pipe = load(model, component, gpu_id)
    examples = read(nlp, pipe, data, limit)
    predict(nlp, pipe, examples, "Predicting")
    pairs = [(example.reference, example.predicted) for example in examples]
    page = span_page(
        pairs,
        spans_key=pipe.key,
        title=f"{model} on {data}",
        labels=pipe.labels,
    )
    write_whole(output, page.encode("utf8"))
    msg.good(f"Drew {len(pairs)} documents: {output}")
