"""What users hand in, checked before anything of it is stored."""
