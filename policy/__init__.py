"""The rules as a Pulumi policy pack, for any resource of any stack; and over an exported state, without Pulumi."""
