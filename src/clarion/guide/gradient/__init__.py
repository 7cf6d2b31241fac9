"""Rules that follow a gradient: that of a reward, or of a classifier."""
