"""What a sink sends."""
