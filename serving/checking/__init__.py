"""What commands share that ask many questions: checks, their results and verdicts, named failures, the runbook."""
