"""One file a scheme; each is a value passed to `assemble`."""
