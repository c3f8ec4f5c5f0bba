"""Sum-product structures: region graphs, their layers, sampling from them, and posteriors."""
