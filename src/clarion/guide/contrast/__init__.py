"""Rules that go from a worse estimate towards a better one, and beyond."""
