"""From a folder of music to batches of windows."""
