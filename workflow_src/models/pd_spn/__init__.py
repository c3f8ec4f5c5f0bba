"""PD-SPN: an Einsum network over a Poon-Domingos structure along the width."""
