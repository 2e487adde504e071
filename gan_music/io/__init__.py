"""Files and notes, both ways; the only place that knows a file format."""
