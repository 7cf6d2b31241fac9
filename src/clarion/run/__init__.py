"""A run: its config, its files, and the model that comes out of it."""
