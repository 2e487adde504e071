"""What ``import gan_music`` offers; commands use the same functions."""
