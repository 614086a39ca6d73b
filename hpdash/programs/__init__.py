"""Trials that are programs: start them, follow what they log, and end them with everything that they have started."""
