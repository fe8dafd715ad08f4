"""The one trainer for every family: plan, rule, optimisers, loop, watchdog, checkpoints, record."""
