"""A claimed tune: its fits, their training, and the choice of the one that is published."""
