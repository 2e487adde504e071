"""The record of a piece, and its bars."""
