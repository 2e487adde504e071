"""A zip archive's members, checked before they are read."""

from __future__ import annotations

import zipfile


def member_sizes(archive: zipfile.ZipFile, n_bytes: int) -> dict[str, int]:
    """The bytes of each member of an archive of ``n_bytes``, which take no more memory than that.

    Raises
    ------
    ValueError
        If a member is compressed, occurs twice, or is larger than the archive.
    """
    infos = archive.infolist()
    sizes = {i.filename: i.file_size for i in infos}
    if any(i.compress_type != zipfile.ZIP_STORED for i in infos):
        raise ValueError("a member is compressed")
    if len(sizes) < len(infos) or sum(sizes.values()) > n_bytes:
        raise ValueError("its members have more bytes than the file")
    return sizes
