"""Losses as free functions of logits."""
