"""Markup of tables, figures and sections."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any


class Markup(str):
    """A text that is HTML already."""


def cell(value: Any) -> str:
    """The markup of a value: escaped, unless it is markup."""
    if value is None:
        return "–"
    return value if isinstance(value, Markup) else escape(str(value))


def table(
    header: Sequence[Any],
    rows: Iterable[Sequence[Any]],
    cls: str = "",
    groups: Sequence[tuple[str, int]] = (),
) -> str:
    """A table that scrolls where it is too wide.

    header (Sequence[Any]): The names of the columns.
    rows (Iterable[Sequence[Any]]): The cells, the first of each row its name.
    cls (str): Class of what holds it.
    groups (Sequence[tuple[str, int]]): Names above the columns, each with the number
        of columns that it is above.
    RETURNS (str): The markup.
    """
    head = "".join(f'<th scope="col">{cell(name)}</th>' for name in header)
    if groups:
        above = "".join(
            f'<th scope="colgroup" class="group" colspan="{n}">{cell(name)}</th>'
            for name, n in groups
        )
        head = f"{above}</tr><tr>{head}"
    body = "\n".join(
        f'<tr><th scope="row">{cell(row[0])}</th>'
        + "".join(f"<td>{cell(value)}</td>" for value in row[1:])
        + "</tr>"
        for row in rows
    )
    classes = f"scroll {cls}".strip()
    return (
        f'<div class="{classes}" tabindex="0"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def percent(value: float, interval: Sequence[float] | None = None) -> Markup:
    """A share as a percentage, with its interval below."""
    text = f"{100 * value:.2f}"
    if interval is not None:
        low, high = (f"{100 * bound:.1f}" for bound in interval)
        text += f"<small>{low} to {high}</small>"
    return Markup(text)


def score(row: Mapping[str, Any] | None, name: str) -> Markup:
    """Precision ("p"), recall ("r") or F1 ("f") of a row of scores."""
    if row is None or row[name] is None:
        return Markup("–")
    return percent(row[name], row.get("interval", {}).get(name))


def change(row: Mapping[str, Any] | None, name: str = "f") -> Markup:
    """A difference, in bold where its interval leaves out 0."""
    if row is None:
        return Markup("–")
    text = f"{100 * row[name]:+.2f}"
    bounds = row.get("interval", {}).get(name)
    if bounds is None:
        return Markup(text)
    low, high = bounds
    if low > 0 or high < 0:
        text = f"<b>{text}</b>"
    return Markup(f"{text}<small>{100 * low:+.1f} to {100 * high:+.1f}</small>")


def section(name: str, title: str, *parts: str) -> str:
    """A section of the page, with an address."""
    return (
        f'<section id="{name}">\n<h2>{escape(title)}</h2>\n'
        + "\n".join(parts)
        + "\n</section>"
    )


def figure(name: str, svg: str, caption: str) -> str:
    """A plot in the page. Its ids are made its own.

    name (str): The plot's name, no other plot of the page has it.
    svg (str): The plot.
    caption (str): What it shows.
    RETURNS (str): The markup.
    """
    drawing = svg[svg.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'\bid="', f'id="{name}-', drawing)
    drawing = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", drawing)
    label = escape(caption)
    drawing = drawing.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return f'<figure tabindex="0">{drawing}<figcaption>{label}</figcaption></figure>'
