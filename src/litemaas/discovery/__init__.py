"""What turns annotated model servers of a cluster into models of the catalogue? One controller."""
