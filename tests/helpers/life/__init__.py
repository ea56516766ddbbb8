"""A model of a collection's life, and the machine that compares it with the collection itself."""
