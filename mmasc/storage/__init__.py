"""Files that are not sound: bytes to the disk so that they stay there whole, and tables that people write."""
