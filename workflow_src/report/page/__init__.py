"""The report's folder of pages, from what a report tells to files that open from disk."""
