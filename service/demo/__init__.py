"""A walk through the whole workflow over real HTTP, as a client of a private server."""
