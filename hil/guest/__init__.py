"""A Linux computer in QEMU whose kernel has wireless and USB: the files of this machine, and other hardware."""
