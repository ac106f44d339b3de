"""npm's `oidc-provider`, a real OpenID provider, as a process of its own."""
