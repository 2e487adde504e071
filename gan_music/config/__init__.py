"""Settings: their schema, their validation, and config files that are not trusted."""
