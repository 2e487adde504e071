"""Renders pieces as pictures and sound."""
