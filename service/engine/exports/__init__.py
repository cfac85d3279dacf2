"""Models as files that answer elsewhere as here; each is compared before it is given."""
