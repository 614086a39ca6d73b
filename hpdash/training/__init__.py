"""Train one trial: from its settings to its result."""
