"""`orchestrator chaos`: a server and robots of their own, disturbed, and what held."""
