"""Settings: their classes, their validation, the sentences for errors in them."""
