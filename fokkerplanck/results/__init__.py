"""What comes back: frozen results with their grid and their evidence."""
