"""Every Matplotlib call of the package; nothing here shows a window or changes global state."""
