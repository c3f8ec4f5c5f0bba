"""The maximisation step of expectation-maximisation, its weight priors, and whole sweeps."""
