"""Networks: torch alone; they take plain numbers and know nothing of files or configs.

Axes: ``B`` batch, ``T`` events of a sequence, ``C`` categories of an event that are predicted, ``V``
the sum of their sizes, ``P`` pitches, ``Z`` noise, ``H`` hidden state, ``E`` embedding.
"""
