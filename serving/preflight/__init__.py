"""Whether Google's side is ready for `pulumi up`: named checks, asked before anything is created or paid for."""
