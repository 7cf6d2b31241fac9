"""What is known of a sample through a measurement, y = A x0 + sigma_y noise."""
