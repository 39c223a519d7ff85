"""The pipeline components."""
