"""Two ways in. The engine runs this folder as a script: the pack. `python -m policy FILE`: an exported state is judged."""

if __package__:
    from policy.command import main

    main()
else:
    from pulumi_policy import PolicyPack

    from policy.pack import policies

    PolicyPack("tpu-serving", policies())  # serves the engine until it is ended
