"""What every layer shares: errors, names, shapes, random streams, conditions."""
