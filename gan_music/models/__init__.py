"""Models as LightningModules: losses, updates and samples of GANs and of their baselines."""
