"""What lies on disk beside sound: tables that people write, and how their rows name files."""
