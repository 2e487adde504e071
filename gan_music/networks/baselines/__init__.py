"""Networks and n-gram counts of the baselines."""
