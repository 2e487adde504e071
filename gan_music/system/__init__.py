"""The operating system: files, signals, processes, errors."""
