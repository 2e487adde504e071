"""Input formats, a module each.

``FORMATS`` of a module: suffix -> name of a reader (``data.reader``) -> function ``(path, grid,
name) -> pieces``. A new module needs no further line. Modules without ``FORMATS`` help others.
"""
