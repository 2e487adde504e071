"""A generator of events and a representation -> pieces."""
