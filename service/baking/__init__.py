"""The recipe preview on the command line: files in, a report or a baked file out, no server."""
