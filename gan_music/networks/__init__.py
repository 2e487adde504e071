"""Networks: torch only; they take plain numbers and know nothing of files or configs.

Axes: ``B`` batch, ``T`` events of a window, ``C`` categories of an event that are chosen, ``V`` all
their ids side by side, ``Z`` noise, ``H`` hidden, ``E`` embedding.
"""
