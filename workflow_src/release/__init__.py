"""What leaves this machine or goes for good: crates, releases, and what nothing refers to."""
