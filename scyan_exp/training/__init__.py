"""Training: the LightningModule that users name, and the callbacks of a run."""
