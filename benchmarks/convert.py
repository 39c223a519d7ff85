"""Time and memory of `convert` on a large file, made of a small one by repetition.

python benchmarks/convert.py RAW/genia/train.jsonl.gz --megabytes 1000
"""

import gzip
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from timeit import default_timer

import typer


def main(
    source: Path = typer.Argument(..., help="A file in lines: .jsonl or .jsonl.gz"),
    megabytes: int = typer.Option(1000, help="Size of the large file"),
) -> None:
    content = source.read_bytes()
    content = gzip.decompress(content) if source.suffix == ".gz" else content
    times = max(1, round(megabytes * 1e6 / len(content)))
    with TemporaryDirectory() as folder:
        large, target = Path(folder) / "large.jsonl", Path(folder) / "large.spacy"
        with large.open("wb") as file:
            for _ in range(times):
                file.write(content)
        command = ["global-pointer", "convert", str(large), str(target), "--ents"]
        start = default_timer()
        subprocess.run([sys.executable, "-m", "spacy", *command], check=True)
        seconds = default_timer() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    n = times * content.count(b"\n")
    typer.echo(f"{times * len(content) / 1e6:,.0f} MB, {n:,} lines")
    typer.echo(f"{seconds:,.0f} s, {n / seconds:,.0f} lines/s")
    typer.echo(f"{n / usage.ru_utime:,.0f} lines/s of processor time")
    # Kilobytes on Linux.
    typer.echo(f"peak memory {usage.ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    typer.run(main)
