"""Peak memory of a process that a test starts."""

from __future__ import annotations

# Code that prints it, in MB, at the end of a program. Not ru_maxrss, which begins with that of the parent.
PRINT_PEAK = """
import re as _re
print(int(_re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1000)
"""
