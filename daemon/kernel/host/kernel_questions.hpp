#pragma once
#include <map>
#include <set>
#include <string>

namespace sovirt {

struct KernelAnswer {
  enum class State { present, missing, unknown };
  State state = State::unknown;
  std::string detail;
};
const char* state_text(KernelAnswer::State) noexcept;
KernelAnswer present(std::string detail);
KernelAnswer missing(std::string detail);
KernelAnswer unknown(std::string detail);

using Answers = std::map<std::string, KernelAnswer>;  // by name of the feature

// Puts harmless questions to the running kernel: calls that fail in one way where it has a thing and in another
// where it lacks it, or that make something only this thread sees, for a moment. `loading` names what would make the
// kernel load a module if asked ("veth", "overlayfs", "nftables" …) and is therefore left alone.
Answers ask_kernel(const std::set<std::string>& loading);

// The part of it for link kinds and nftables: from a thread with a network namespace of its own.
void ask_network(const std::set<std::string>& loading, Answers& into);

// The CPU's word on what runs it: 12 bytes of CPUID leaf 0x40000000, "" on bare metal or where there is no CPUID.
std::string cpuid_signature();

}  // namespace sovirt
