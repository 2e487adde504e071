"""Code and configs outside the package: a model, a representation and a loss of somebody else's."""
