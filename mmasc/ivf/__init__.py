"""Imagined visual features: what a sound lets one see, learned from sounds with pictures.

Liu et al. 2021, "Cross-modal spectrum transformation network for acoustic scene classification", ICASSP. The stages:
pairs.py → vqvae.py (a codebook of frames) → transformation.py and critic.py (sound to codebook indices) → losses.py
(all losses, gradient penalty included); `mmasc.training.ivf` trains them, `mmasc.encoders.ivf` uses them. "ivf" never
means the inverted files of FAISS here.
"""
