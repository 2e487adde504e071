"""Hand-made features of the past, for whole sequences and step by step."""
