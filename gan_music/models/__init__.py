"""GANs as LightningModules: both networks, manual optimization, one block of a step a player."""
