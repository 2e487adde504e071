"""Opens MusicXML: plain or compressed, part-wise or time-wise, whatever the file's name says."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

from lxml import etree

from gan_music.io.errors import ReadError
from gan_music.io.limits import check_xml

_CONTAINER = "META-INF/container.xml"
_ZIP = b"PK\x03\x04"


def open_score(path: Path) -> etree._Element:
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
        root = _parsed(content)
    except etree.XMLSyntaxError as error:
        line = f" at line {error.lineno}" if error.lineno else ""
        raise ReadError(f"is not well-formed XML{line}: export it again") from error
    if "}" in root.tag:
        for element in root.iter():
            element.tag = etree.QName(element).localname
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
        with contextlib.suppress(etree.XMLSyntaxError):
            for element in _parsed(data).iter("{*}rootfile"):
                kind = element.get("media-type", "musicxml")
                wanted = element.get("full-path", "").lstrip("/")
                if "musicxml" in kind and wanted in names:
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


def _parsed(content: bytes) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True
    )
    return etree.fromstring(content, parser)


def _partwise(root: etree._Element) -> etree._Element:
    """The same score with the measures of each part together."""
    found = etree.Element("score-partwise")
    parts: dict[str, etree._Element] = {}
    for child in list(root):
        if child.tag != "measure":
            found.append(child)
            continue
        for part in child.findall("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = etree.SubElement(found, "part", {"id": name})
            measure = etree.SubElement(parts[name], "measure", dict(child.attrib))
            measure.extend(list(part))
    return found
