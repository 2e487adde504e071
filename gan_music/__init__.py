"""LSTM GANs for symbolic music: train, sample and measure.

Data flows one way: files -> notes -> events -> windows -> networks -> events -> notes -> files.
"""

__version__ = "0.1.0"
