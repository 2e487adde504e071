"""The score that a MusicXML file holds, as an element tree in parts of measures.

A file is XML or an archive with it, whatever its suffix. Of an archive, the score is the one that
``META-INF/container.xml`` names. A score in measures of parts (``score-timewise``) is turned.
"""

from __future__ import annotations

import contextlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lxml import etree
from lxml.etree import _Element as Element

from gan_music.io.errors import ReadError
from gan_music.io.formats.text import decoded
from gan_music.io.limits import DAMAGES_OF_ARCHIVES, XML_SUFFIXES, check_xml

_CONTAINER = "META-INF/container.xml"
_MEDIA_TYPES = ("", "application/vnd.recordare.musicxml+xml", "application/vnd.recordare.musicxml")
_DECLARATION = re.compile(r"<\?xml[^>]*\?>")
_DECLARED = re.compile(rb"<\?xml[^>]*\bencoding\s*=\s*[\"']([\w.:-]+)")
_MARKS_OF_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_ROOTS = ("score-partwise", "score-timewise")
_ADVICE = "export it again from the program that wrote it"


def open_score(path: Path) -> Element:
    """The element ``score-partwise`` of a file.

    Raises
    ------
    ReadError
        If there is none, with the reason.
    """
    data = path.read_bytes()
    if data[:4] != b"PK\x03\x04":
        return _partwise(_root(data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _partwise(_root_in(archive))
    except DAMAGES_OF_ARCHIVES as error:
        why = "what it holds cannot be unpacked" if isinstance(error, zlib.error) else str(error)
        raise ReadError(f"its archive is damaged or locked: {why}; {_ADVICE}") from error


def _root_in(archive: zipfile.ZipFile) -> Element:
    """The score that the container names or, without a container, the only one."""
    members = {_plain(name): name for name in archive.namelist() if not name.endswith("/")}
    named = list(_named_by_container(archive, members))
    for name in named:
        if _plain(name) in members:
            return _root(archive.read(members[_plain(name)]))
    scores = []
    for name in members:
        if name.endswith(XML_SUFFIXES) and not _is_hidden(name):
            root = _root(archive.read(members[name]))
            if root.tag in _ROOTS:
                scores.append(root)
    if len(scores) == 1:
        return scores[0]
    what = f"names {named[0]}, which is not in it" if named else "is missing"
    found = f"it holds {len(scores)} scores" if scores else "it holds no score"
    raise ReadError(f"its archive's {_CONTAINER} {what}, and {found}; {_ADVICE}")


def _named_by_container(archive: zipfile.ZipFile, members: dict[str, str]) -> Iterator[str]:
    container = members.get(_plain(_CONTAINER))
    if container is None:
        return
    for element in _root(archive.read(container)).iter("rootfile"):
        if element.get("media-type", "") in _MEDIA_TYPES and element.get("full-path"):
            yield element.get("full-path", "")


def _plain(name: str) -> str:
    """A member's name as other programs may write it."""
    return str(PurePosixPath("/", name.replace("\\", "/"))).lower().lstrip("/")


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return parts[0] in ("__macosx", "meta-inf") or parts[-1].startswith(".")


def _root(data: bytes) -> Element:
    data = _in_an_encoding_of_expat(data.lstrip(b" \t\r\n"))
    check_xml(io.BytesIO(data))
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ReadError(f"is damaged XML: {_told(error)}; {_ADVICE}") from error
    except (LookupError, ValueError) as error:
        raise ReadError(f"is XML in an encoding that cannot be read; {_ADVICE}") from error
    if root.tag.startswith("{"):
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
    return root


def _in_an_encoding_of_expat(data: bytes) -> bytes:
    """UTF-16, and Latin-1 that is declared as UTF-8, as UTF-8; other data as it is."""
    declared = _DECLARED.match(data)
    if data[:2] not in _MARKS_OF_UTF_16:
        if declared and declared[1].lower() != b"utf-8":
            return data
        with contextlib.suppress(UnicodeDecodeError):
            data.decode()
            return data
    return _DECLARATION.sub("", decoded(data), count=1).encode()


def _told(error: etree.XMLSyntaxError) -> str:
    line, column = error.position
    what = (error.msg or "").partition(", line ")[0]
    return f"{what} in line {line}, column {column}"


def _partwise(root: Element) -> Element:
    if root.tag == "score-timewise":
        return _turned(root)
    if root.tag == "opus":
        raise ReadError("is an opus, a list of other files; read those")
    if root.tag != "score-partwise":
        raise ReadError(f"is no MusicXML: its outermost element is {root.tag[:40]}")
    return root


def _turned(root: Element) -> Element:
    """A timewise score, partwise; a part that a measure lacks has an empty one there."""
    turned = etree.Element("score-partwise")
    measures = root.findall("measure")
    turned.extend([e for e in root if e.tag != "measure"])
    ids = dict.fromkeys(part.get("id") for m in measures for part in m.findall("part"))
    parts = {number: etree.SubElement(turned, "part", {"id": number or ""}) for number in ids}
    for measure in measures:
        own = {part.get("id"): part for part in measure.findall("part")}
        for number, part in parts.items():
            made = etree.SubElement(part, "measure", dict(measure.attrib))
            made.extend(list(own.get(number, ())))
    return turned
