"""What a change of an environment does to those who are served: two plans, or a plan and a stack's outputs, compared."""
