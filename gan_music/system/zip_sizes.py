"""The sizes of an untrusted zip file, checked before anything of it is read."""

from __future__ import annotations

import zipfile


class ArchiveError(ValueError):
    """An untrusted archive is damaged, or not of the kind that this package writes."""


def member_sizes(archive: zipfile.ZipFile, n_bytes: int) -> dict[str, int]:
    """The size of each member of a zip file of ``n_bytes``.

    Raises
    ------
    ArchiveError
        If a member is compressed or occurs twice, or the members are larger than the file.
    """
    infos = archive.infolist()
    sizes = {i.filename: i.file_size for i in infos}
    if any(i.compress_type != zipfile.ZIP_STORED for i in infos):
        raise ArchiveError("a member is compressed")
    if len(sizes) < len(infos) or sum(sizes.values()) > n_bytes:
        raise ArchiveError("the members are larger than the file")
    return sizes
