"""The stream: readings of sensors, what they add up to, and how often a batch may come. No AWS in here."""
