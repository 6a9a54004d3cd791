"""What the rules on settings and the rules on objects both ask: each fact is judged by one function, in one place."""
