"""DVAE++: global binary latent variables and groups of local ones (Vahdat et al., ICML 2018)."""
