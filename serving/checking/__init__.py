"""What commands share that ask many questions: verdicts, named failures, questions asked side by side, the runbook."""
