"""The disk: how much room there is, what may be removed from it, how it is saved and restored."""
