"""The rehearsal's gcp provider: the resource types the program uses, kept as files instead of in Google Cloud."""
