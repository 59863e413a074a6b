"""The command line of developers: `sdk`, one file per command."""
