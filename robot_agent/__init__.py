"""The robot's agent: it claims jobs, runs their scripts and tells the truth about them."""
