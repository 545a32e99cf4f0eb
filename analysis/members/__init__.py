"""What each member is: its network, its training, its first layer."""
