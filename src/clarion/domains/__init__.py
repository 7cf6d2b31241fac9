"""Kinds of data: how each is read, normalised, measured and trained on."""
