"""The VAE with one or two layers of binary units (Vahdat et al., ICML 2018, Tables 1 and 2)."""
