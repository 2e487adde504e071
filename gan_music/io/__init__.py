"""Reads and writes music files; no other room knows a file format."""
