"""New sequences with a property that is wanted, out of known ones and what was measured of them."""
