"""A convolutional network that tells the class of an image, the judge of images that were drawn."""
