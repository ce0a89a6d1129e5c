"""Speed as ratios to a bare no-op handler, measured in the same run on the same machine."""
