"""What jobs leave for others to see: journal entries, leases on runs, claims on GPUs."""
