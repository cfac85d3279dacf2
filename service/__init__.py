"""Fitpoint: train Keras multilayer perceptrons over HTTP and serve what was trained."""

__version__ = "0.1.0"
