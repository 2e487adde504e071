"""Notes -> pictures and sound."""
