"""Ways to advance a density in time, one a file."""
