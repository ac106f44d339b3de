"""Who vouches for the controller: an own certificate authority, or certificates that were given."""
