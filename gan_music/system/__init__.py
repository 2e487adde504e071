"""The operating system: files, locks, signals, processes; and the error a user is shown."""
