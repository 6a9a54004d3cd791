"""What a change means for every environment: the comment of a pull request."""
