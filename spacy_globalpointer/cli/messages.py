"""What the commands print.

Results go to standard output, errors and warnings to standard error. Lines are not
wrapped, so that paths can be copied, and have colors in a terminal alone.
"""

import os
from typing import Any, Iterable, Optional

import typer
from tqdm import tqdm
from wasabi import MESSAGES, Printer
from wasabi.tables import table


class Messages(Printer):
    """wasabi's messages.

    quiet (bool): Whether to print errors and warnings alone.
    as_json (bool): Whether the result is printed as JSON, and nothing beside it.
    """

    quiet = False
    as_json = False

    @property
    def is_silent(self) -> bool:
        """RETURNS (bool): Whether only errors and warnings are printed."""
        return self.quiet or self.as_json

    def text(
        self,
        title: Any = "",
        text: Any = "",
        *,
        color: Optional[str] = None,
        icon: Optional[str] = None,
        exits: Optional[int] = None,
        is_problem: bool = False,
        **kwargs: Any,
    ) -> None:
        """Print a text. Arguments as for `wasabi.Printer.text`.

        is_problem (bool): Whether it is an error or a warning.
        """
        if is_problem or not self.is_silent:
            sign = self.icons.get(icon, "") if icon else ""
            line = typer.style(f"{sign} {title}".strip(), fg=self.colors.get(color))
            self._echo(f"{line}\n{text}" if text else line, is_problem)
        if exits is not None:
            raise typer.Exit(exits)

    def divider(self, text: str = "", char: str = "=", **kwargs: Any) -> None:
        """Print a headline."""
        if not self.is_silent:
            line = f" {text} ".center(self.line_max, char)
            self._echo("\n" + typer.style(line, bold=True))

    def table(self, data: Any, **kwargs: Any) -> None:
        """Print a table. Arguments as for `wasabi.table`."""
        if not self.is_silent:
            self._echo(table(data, **kwargs))

    def _get_msg(self, title: Any, text: Any, style: Any = None, **kwargs: Any) -> None:
        is_problem = style in (MESSAGES.FAIL, MESSAGES.WARN)
        kwargs.update(color=style, icon=style, is_problem=is_problem)
        self.text(title, text, **kwargs)

    def _echo(self, text: str, is_problem: bool = False) -> None:
        # None: colors in a terminal.
        color = False if os.environ.get("NO_COLOR") else None
        typer.echo(text, err=is_problem, color=color)


msg = Messages()


def progress(items: Iterable[Any], **kwargs: Any) -> Any:
    """A progress bar in a terminal. Arguments as for `tqdm`."""
    disable = True if msg.is_silent else None
    return tqdm(items, leave=False, disable=disable, **kwargs)


def _set_quiet(value: bool) -> bool:
    msg.quiet = value
    return value


def _set_json(value: bool) -> bool:
    msg.as_json = value
    return value


QUIET = typer.Option(
    False,
    "--quiet",
    "-q",
    help="Print errors and warnings only",
    callback=_set_quiet,
)
JSON = typer.Option(
    False, "--json", help="Print the result as JSON", callback=_set_json
)
