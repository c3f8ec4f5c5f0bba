"""What jobs show of themselves: journal entries, leases on runs, claims on GPUs, bars."""
