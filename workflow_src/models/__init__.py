"""Densities as torch code: one folder per model, beside the parts that models are made of.

A folder with a model.yaml is a model: spvae, vae, conv_spvae, conv_vae and deep_conv_vae are made
of leaves (`leaf_models`), discrete_vae and dvaepp have latent variables (`latent_variables`),
dcgmm, rat_spn, pd_spn and dgc_spn score and draw images themselves (`image_densities`);
deep_generative_network is a density of points, and convolutional_classifier judges what others
draw. The other folders are parts: circuits, convolutional_mixtures, piecewise_affine, smoothings,
boltzmann, binary_latents and residual_networks.

Imports torch and numpy, and nothing of this package outside models, layouts and plan.seeds.
"""
