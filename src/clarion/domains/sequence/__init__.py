"""Sequences: proteins, molecules and texts as tokens; readers, the data set, its report."""
