"""The part that trains: the only one that imports Keras and its backend."""
