"""The deep generalised convolutional sum-product network (van de Wolfshaar and Pronobis 2020)."""
