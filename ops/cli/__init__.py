"""The command line: `rampkeeper`."""
