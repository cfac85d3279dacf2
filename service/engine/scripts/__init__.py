"""Scripts that fit a model again elsewhere: with plain Keras, and with tidymodels."""
