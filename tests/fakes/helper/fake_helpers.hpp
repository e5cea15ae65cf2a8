#pragma once
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/helpers.hpp"

namespace sovirt::fakes {

// Helpers in memory. tests/contract/helper holds it to what the real ones do. Thread-safe; listeners are called in the
// thread that killed.
class FakeHelpers final : public Helpers {
 public:
  bool installed(std::string_view program) override;
  void start(const HelperSpec&, int netns) override;
  bool runs(const HelperSpec&) override;
  bool stop(std::string_view key) override;
  bool give(std::string_view key, std::string_view file, std::string_view content) override;
  std::optional<std::string> read(std::string_view key, std::string_view file) override;
  std::vector<std::string> known() override;
  std::shared_ptr<void> watch(std::function<void(std::string_view key)>) override;

  void uninstall(std::string program);
  void fail_start(Error error);                // the next one
  void kill(std::string_view key);             // by somebody else
  void write(std::string_view key, std::string_view file, std::string content);   // by the helper itself
  bool alive(std::string_view key);
  int starts();                                // so far

 private:
  struct Helper {
    HelperSpec spec;
    std::map<std::string, std::string, std::less<>> folder;
    bool alive = false;
  };
  struct Listeners {
    std::mutex mutex;
    std::list<std::function<void(std::string_view)>> all;
  };
  std::mutex mutex_;
  std::map<std::string, Helper, std::less<>> helpers_;
  std::set<std::string, std::less<>> absent_;
  std::optional<Error> failure_;
  int starts_ = 0;
  std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
};

}  // namespace sovirt::fakes
