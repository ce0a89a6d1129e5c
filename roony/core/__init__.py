"""The rules of money: pure functions and frozen data, standard library only, no clock, no input or output."""
