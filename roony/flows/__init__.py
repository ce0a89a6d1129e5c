"""What happens, in order: one file for each movement of a purchase, a card, an authorization or an account."""
