#pragma once
#include <array>
#include <utility>

#include "client/ctl/problem_text.hpp"

namespace sovirt::ctl {

// For the help and the man page.
inline constexpr std::array<std::pair<Exit, const char*>, 11> exit_statuses{{
    {Exit::ok, "done"},
    {Exit::failed, "failed for another reason"},
    {Exit::usage, "the command line is wrong"},
    {Exit::not_found, "there is no such object"},
    {Exit::conflict, "conflict: it exists, is in use, is busy, or its state forbids it"},
    {Exit::invalid, "the daemon refused a value"},
    {Exit::forbidden, "not allowed"},
    {Exit::unsupported, "this kernel or host lacks it"},
    {Exit::unavailable, "no daemon answers, or it cannot work now"},
    {Exit::ended_early, "timed out or cancelled"},
    {Exit::interrupted, "interrupted by Ctrl-C"},
}};

}  // namespace sovirt::ctl
