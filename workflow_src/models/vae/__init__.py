"""The variational autoencoder that SPVAE is compared with (Tan and Peharz, ICML 2019)."""
