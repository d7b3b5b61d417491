"""What circuits cost: estimates before, a budget that is reserved from, and a record after."""
