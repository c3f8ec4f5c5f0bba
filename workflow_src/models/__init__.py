"""Densities as torch code: one folder per model, beside the parts that models are made of.

A folder with a model.yaml is a model: spvae, vae, conv_spvae and conv_vae are made of leaves
(`leaf_models`), discrete_vae and dvaepp have latent variables (`latent_variables`). The other
folders are parts: circuits, smoothings, boltzmann, binary_latents and residual_networks.

Imports torch and numpy, and nothing of this package outside models and plan.seeds.
"""
