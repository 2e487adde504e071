"""The report of one or several runs as a self-contained HTML file."""
