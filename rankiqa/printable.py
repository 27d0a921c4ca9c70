"""Text that may go to a terminal or a page, whatever a file is called."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""`text` with escapes for what does not print: control characters, line ends, bytes that are no text.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
