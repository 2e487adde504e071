"""Hand-made features of past events, for whole sequences and for single steps."""
