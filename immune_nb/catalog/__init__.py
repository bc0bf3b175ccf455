"""What can be asked of an API: its endpoints and their parameters, from an OpenAPI document. Sends nothing itself."""
