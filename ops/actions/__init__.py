"""What operations may do: each act is audited."""
