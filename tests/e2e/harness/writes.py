"""Who writes to which file of a mount, by fanotify(7)."""
import contextlib
import ctypes
import errno
import os
import struct

INIT_FLAGS = 0x1 | 0x2           # FAN_CLOEXEC | FAN_NONBLOCK, class FAN_CLASS_NOTIF
ADD_MOUNT = 0x1 | 0x10           # FAN_MARK_ADD | FAN_MARK_MOUNT
MODIFY = 0x2                     # FAN_MODIFY
HEAD = struct.Struct("=IBBHQii") # fanotify_event_metadata


class Writes:
    """(pid, path) of each write to these mounts, from now on."""

    def __init__(self, mounts):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.fanotify_init(INIT_FLAGS, os.O_RDONLY)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "fanotify_init")
        for mount in mounts:
            if libc.fanotify_mark(self.fd, ADD_MOUNT, ctypes.c_uint64(MODIFY), -100, os.fsencode(mount)) != 0:
                raise OSError(ctypes.get_errno(), f"fanotify_mark {mount}")

    def read(self):
        found = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data = os.read(self.fd, 65536)
                except OSError as error:
                    if error.errno != errno.ENODEV:   # of a file in a group that was removed since: no descriptor of it
                        raise
                    continue
                while data:
                    length, _, _, _, _, fd, pid = HEAD.unpack_from(data)
                    data = data[length:]
                    if fd >= 0:
                        found.add((pid, os.readlink(f"/proc/self/fd/{fd}")))
                        os.close(fd)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)
