"""Blocks of code in Markdown."""

import re
from dataclasses import dataclass

BLOCK = re.compile(
    r'^(<!-- .*? -->\n)?```(\w+)(?: title="(\S+)")?\n(.*?)^```$', re.M | re.S
)


@dataclass
class Block:
    """A block of a page: why it is not run, its language, its file name, its text."""

    reason: str
    language: str
    file: str
    text: str


def read_blocks(path):
    found = BLOCK.findall(path.read_text(encoding="utf8"))
    return [
        Block(comment.removeprefix("<!-- ").removesuffix(" -->\n"), *rest)
        for comment, *rest in found
    ]
