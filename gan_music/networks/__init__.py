"""Networks: torch only; they take plain numbers and know nothing of files or configs.

Axes: ``B`` batch, ``T`` events of a window, ``V`` all categories of an event side by side (offset,
pitch, duration), ``Z`` noise, ``H`` hidden, ``E`` embedding.
"""
