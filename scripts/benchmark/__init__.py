"""Speed, measured: ours beside what people would write or use instead, in one run on one core."""
