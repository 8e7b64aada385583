"""What the integration tests share: a daemon to drive, clients to drive it with, and a model to judge by."""
