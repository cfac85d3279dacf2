"""Tuning without effects: what is asked, which candidates there are, which of them is best."""
