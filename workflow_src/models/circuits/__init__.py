"""Sum-product structures: region graphs, their layers, and sampling from them."""
