#pragma once
#include <memory>
#include <optional>
#include <string>

#include "daemon/kernel/host/host_probe.hpp"

namespace sovirt::test {

// A directory with the files of some other machine, gone at the end of its scope. Paths are those of that machine.
class RecordedHost {
 public:
  RecordedHost();
  ~RecordedHost();
  RecordedHost(const RecordedHost&) = delete;
  RecordedHost& operator=(const RecordedHost&) = delete;

  RecordedHost& file(const std::string& path, const std::string& content);
  RecordedHost& link(const std::string& path, const std::string& target);
  RecordedHost& signature(std::string cpuid);
  std::string path(const std::string& inside) const { return top_ + inside; }
  Json report() const;

 private:
  std::string top_;
  std::optional<std::string> signature_;
};

// Debian 12 with its own kernel on a desktop: v2 only, everything as a module, nothing loaded yet.
void record_debian12(RecordedHost&);
void record_v1_controllers(RecordedHost&);   // instead of v2: Debian 9 or so
void record_hybrid_controllers(RecordedHost&);

Json feature(const Json& report, const std::string& name);
Json controller(const Json& report, const std::string& name);

}  // namespace sovirt::test
