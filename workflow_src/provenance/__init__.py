"""Records: how every result came to be. A leaf that the writers use."""
