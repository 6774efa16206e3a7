"""What a run leaves behind: annotation, metrics, figures, record, W&B."""
