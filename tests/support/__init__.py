"""What tests share, and the makers of files that tests compare: architecture page and lock."""
