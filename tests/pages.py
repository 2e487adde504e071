"""Checks that every HTML page must pass, on its parsed elements."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = {"meta", "link", "img", "br", "hr", "input"}
_LINKS = ("src", "href", "xlink:href", "action", "data", "poster", "srcset", "ping", "background")


class Page(HTMLParser):
    """The elements of a page with their attributes, and its visible text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> out of order at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def checked_page(source: str) -> Page:
    """The parsed page; it must load nothing, run nothing, and be small."""
    page = Page(source)
    assert len(source.encode()) < 5_000_000
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    assert not {"script", "iframe", "object", "embed", "form", "base"} & {
        n for n, _ in page.elements
    }
    policy = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert [m["content"].split(";")[0] for m in policy] == ["default-src 'none'"]
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for name, attributes in page.elements:
        assert not [k for k in attributes if k.startswith("on")], (name, attributes)
        for key in _LINKS:
            if key in attributes:
                assert attributes[key].startswith(("data:", "#")), (name, key, attributes[key][:80])
        for target in re.findall(r"url\(([^)]*)\)", " ".join(attributes.values())):
            assert target.lstrip("\"'").startswith("#"), target
    for image in page.all("img"):
        assert image["alt"]
    for player in page.all("audio"):
        assert player["src"].startswith("data:audio/mpeg;base64,")
        assert player["aria-label"]
    for attributes in (a for n, a in page.elements if n == "div" and a.get("role") == "region"):
        assert attributes["tabindex"] == "0"
        assert attributes["aria-label"]
    styles = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    assert not re.search(r"@import|url\(|expression", styles[0])
    return page
