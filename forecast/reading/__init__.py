"""Files and generators to a panel: a wing of its own, entered by tasks and the public face alone."""
