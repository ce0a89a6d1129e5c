"""What is remembered: tables, the till through which money moves, inbox and outbox, on SQLite and PostgreSQL."""
