#pragma once
#include <string>

// This executable's own pwrite64 and fdatasync stand before those of libc, so SQLite's calls can be counted and made to fail.
namespace sovirt::io_faults {

int syncs();                       // fdatasync calls since the program began
int set_error(int error_number);   // that pwrite64 fails with from now on, 0 for none; gives the one before
void kill_at_write(int count);     // the process dies by SIGKILL instead of its count-th pwrite64 from now

}  // namespace sovirt::io_faults
