"""Where the work stands, told from the results folder alone: any node, no scheduler, no tensors."""
