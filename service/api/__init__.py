"""Speaks HTTP: one router a noun, and the one map from errors to RFC 9457 problems."""
