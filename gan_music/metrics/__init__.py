"""Metrics of symbolic music: functions from pieces to numbers, without torch."""
