"""Opens MusicXML: plain or compressed, part-wise or time-wise, whatever the file's name says."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from gan_music.io.errors import ReadError
from gan_music.io.limits import check_xml

_CONTAINER = "META-INF/container.xml"
_ZIP = b"PK\x03\x04"


def open_score(path: Path) -> ElementTree.Element:
    """The root, ``score-partwise``, of the score in a file.

    Raises
    ------
    ReadError
        If the file holds no MusicXML score, with the reason.
    """
    content = path.read_bytes()
    if content.startswith(_ZIP):
        content = _unpacked(content)
    check_xml(io.BytesIO(content))
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        where = getattr(error, "position", None)
        line = f" at line {where[0]}" if where else ""
        raise ReadError(f"is not well-formed XML{line}: export it again") from error
    for element in root.iter():
        if isinstance(element.tag, str) and "}" in element.tag:
            element.tag = element.tag.rpartition("}")[2]
    if root.tag == "score-timewise":
        return _partwise(root)
    if root.tag != "score-partwise":
        raise ReadError(f"its XML is a <{root.tag[:40]}>, not a score: export it as MusicXML")
    return root


def _unpacked(content: bytes) -> bytes:
    """The score of an archive: what its container names first, or else the first score in it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(_member(archive))
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ReadError("is a damaged archive: export it again") from error


def _member(archive: zipfile.ZipFile) -> str:
    names = archive.namelist()
    if _CONTAINER in names:
        data = archive.read(_CONTAINER)
        check_xml(io.BytesIO(data))
        try:
            container = ElementTree.fromstring(data)
        except ElementTree.ParseError:
            container = None
        for element in () if container is None else container.iter():
            kind = element.get("media-type") or "application/vnd.recordare.musicxml+xml"
            if element.tag.endswith("rootfile") and "musicxml" in kind:
                wanted = (element.get("full-path") or "").lstrip("/")
                if wanted in names:
                    return wanted
    scores = [
        name
        for name in names
        if name.lower().endswith((".xml", ".musicxml"))
        and not name.startswith(("META-INF/", "__MACOSX/"))
        and not name.rpartition("/")[2].startswith("._")
    ]
    if not scores:
        raise ReadError("is an archive without a score: export it as MusicXML")
    return scores[0]


def _partwise(root: ElementTree.Element) -> ElementTree.Element:
    """The same score with the measures of each part together."""
    found = ElementTree.Element("score-partwise", root.attrib)
    parts: dict[str, ElementTree.Element] = {}
    for child in root:
        if child.tag != "measure":
            found.append(child)
            continue
        for part in child.iter("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = ElementTree.SubElement(found, "part", {"id": name})
            measure = ElementTree.SubElement(parts[name], "measure", child.attrib)
            measure.extend(part)
    return found
