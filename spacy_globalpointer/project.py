"""The project template: a new project folder with its variables."""

import re
from pathlib import Path
from typing import Any, Dict, List

import srsly

from .errors import Errors

# In a checkout, a link to the folder `project`.
TEMPLATE = Path(__file__).parent / "project_template"
CONFIGS = TEMPLATE / "configs"
# Without what a run of the project writes.
FILES = ("project.yml", "assets/*.yaml", "configs/**/*.cfg", "scripts/*.py")


def create_project(folder: Path, variables: Dict[str, Any]) -> None:
    """Copy the project template.

    folder (Path): The new project. It may exist, but must have none of the files.
    variables (Dict[str, Any]): Values of variables of `project.yml`.
    RAISES (ValueError): If one of the files exists.
    """
    files = {path: folder / path.relative_to(TEMPLATE) for path in template_files()}
    require_new(files.values())
    for source, target in files.items():
        content = source.read_text(encoding="utf8")
        if source.name == "project.yml":
            content = _with_variables(content, variables)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf8")


def template_files() -> List[Path]:
    """The files of the template."""
    return sorted(path for pattern in FILES for path in TEMPLATE.glob(pattern))


def require_new(paths: Any) -> None:
    """Raise a ValueError for the first path that exists."""
    for path in paths:
        if path.exists():
            raise ValueError(Errors.E181.format(path=path))


def _with_variables(text: str, variables: Dict[str, Any]) -> str:
    """`project.yml` with other defaults of variables. Comments are kept."""
    for name, value in variables.items():
        line = f"  {name}: {srsly.json_dumps(value)}"
        text, n_lines = re.subn(
            rf"^  {name}: .*$", line.replace("\\", r"\\"), text, flags=re.MULTILINE
        )
        assert n_lines == 1, name
    return text
