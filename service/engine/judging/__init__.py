"""How a model does on the rows of a table, and why: no Keras, no web, no database."""
