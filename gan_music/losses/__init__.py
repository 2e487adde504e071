"""Losses as functions of logits."""
