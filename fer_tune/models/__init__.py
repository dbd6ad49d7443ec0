"""The three networks of the paper's joint training.

- `spec`: ModelSpec, the networks' sizes (imports no torch)
- `encoder`: image -> labels and noise vector
- `decoder`: labels and noise vector -> image
- `discriminator`: scores of (image, noise vector, labels)
- `layers`: what they share: spectral normalisation, the MLP block
- `weights`: loads pretrained VGG-16 convolutions into the encoder
"""
