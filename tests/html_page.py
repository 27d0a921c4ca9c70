"""A page of HTML as a parser that is not ours understands it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

_VOID = {"br", "img", "input", "link", "meta"}


@dataclass
class Element:
    """One element, with the text of all that is in it, and the ids of the elements that it is in."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    within: tuple[int, ...] = ()


class Page(HTMLParser):
    """The elements of a page in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {[element.tag for element in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice: {attrs}"
        self.elements.append(Element(tag, dict(attrs), within=tuple(map(id, self._open))))
        if tag not in _VOID:
            self._open.append(self.elements[-1])
        elif tag == "br":
            self.handle_data("\n")

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements with this tag and these attributes; class_ is class."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}.items()
        return [element for element in self.elements if element.tag == tag and wanted <= element.attributes.items()]

    def inside(self, outer: Element, tag: str) -> list[Element]:
        """The elements with this tag in another."""
        return [element for element in self.all(tag) if id(outer) in element.within]

    def cards(self) -> list[Element]:
        """The images of a contact sheet."""
        return [element for element in self.all("li") if "data-name" in element.attributes]

    def names(self) -> list[str | None]:
        """What a contact sheet calls its images."""
        return [card.attributes["data-name"] for card in self.cards()]

    def values(self, attribute: str) -> Iterator[str]:
        """What an attribute is, wherever it is."""
        return (element.attributes[attribute] or "" for element in self.elements if attribute in element.attributes)
