"""Ends child processes whose parent died without a chance to do so itself.

The guard is a shell that reads process ids from a pipe. Only the parent holds the other end: when the parent dies, even
by SIGKILL, the pipe ends, and the shell passes SIGTERM to what it has been told of.
"""

import signal
import subprocess

SCRIPT = 'pids=; while read -r pid; do pids="$pids $pid"; done; [ -z "$pids" ] || kill -TERM $pids'


class Guard:
    """Watches over this process for as long as it isn't dismissed."""

    def __init__(self) -> None:
        # In a session of its own: Ctrl-C at the terminal is the parent's to answer.
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        """Has the process `pid` ended when this one dies."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{pid}\n".encode())
        self._shell.stdin.flush()

    def dismiss(self) -> None:
        """Ends the watch: the children have ended already."""
        self._shell.send_signal(signal.SIGKILL)
        self._shell.communicate()
