"""Pictures: readers, the data set, units, the data report, and pictures of pictures."""
