"""The machines of the demo lab, which are none: `python -m controller.demo.farends printer|projector`.

Each is a process that a bridge meets as it meets a real machine, with faults that somebody can switch on. They load
nothing but the standard library, so that they start at once and stay small.
"""
