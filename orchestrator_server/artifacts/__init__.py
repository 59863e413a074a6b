"""Files that a job leaves for people."""
