"""What recorded purchases would have become under other rules: decided again, in order, from what was recorded."""
