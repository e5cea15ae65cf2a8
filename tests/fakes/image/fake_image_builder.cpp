#include "tests/fakes/image/fake_image_builder.hpp"

#include <array>
#include <condition_variable>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace sovirt {
namespace {

// FNV-1a, spread over the length of a SHA-256: unlike specs differ, equal ones do not, and it is the same in every run.
std::string digest_of(const std::string& text) {
  std::string out = "sha256:";
  for (std::uint64_t part = 0; part < 4; ++part) {
    std::uint64_t hash = 14695981039346656037ull + part;
    for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211ull;
    std::array<char, 17> hex{};
    std::snprintf(hex.data(), hex.size(), "%016llx", static_cast<unsigned long long>(hash));
    out += hex.data();
  }
  return out;
}

void wait(std::stop_token stop, std::chrono::milliseconds delay) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock{mutex};
  wake.wait_for(lock, stop, delay, [] { return false; });
  if (stop.stop_requested()) throw Error{Code::cancelled, "the build was cancelled"};
}

}  // namespace

void FakeImageBuilder::next(Script script) {
  const std::scoped_lock lock{mutex_};
  scripts_.push_back(std::move(script));
}

void FakeImageBuilder::fail_check(std::optional<Error> error) {
  const std::scoped_lock lock{mutex_};
  check_failure_ = std::move(error);
}

std::set<std::string> FakeImageBuilder::stored() const {
  const std::scoped_lock lock{mutex_};
  return stored_;
}

int FakeImageBuilder::builds() const {
  const std::scoped_lock lock{mutex_};
  return builds_;
}

int FakeImageBuilder::running() const {
  const std::scoped_lock lock{mutex_};
  return running_;
}

FakeImageBuilder::Script FakeImageBuilder::begin() {
  const std::scoped_lock lock{mutex_};
  ++builds_;
  ++running_;
  if (scripts_.empty()) return {};
  Script script = std::move(scripts_.front());
  scripts_.pop_front();
  return script;
}

BuiltImage FakeImageBuilder::build(const ImageSpec& spec, const std::string& uploaded, std::stop_token stop,
                                   const std::function<void(Progress)>& report) {
  const Script script = begin();
  const std::shared_ptr<void> end{nullptr, [this](void*) {
    const std::scoped_lock lock{mutex_};
    --running_;
  }};
  for (int step = 1; step <= script.steps; ++step) {
    wait(stop, script.delay);
    if (report) report({step * 100 / script.steps, "step " + std::to_string(step)});
  }
  if (script.failure) throw *script.failure;
  return store(spec, uploaded, script);
}

BuiltImage FakeImageBuilder::store(const ImageSpec& spec, const std::string& uploaded, const Script& script) {
  BuiltImage image;
  image.digest = script.digest.value_or(digest_of(write_image_spec(spec).dump() + uploaded));
  image.directory = "/nonexistent/sovirt-fake-images/" + image.digest.substr(image.digest.find(':') + 1) + "/rootfs";
  image.size = 123456789;
  image.architecture = "amd64";
  image.os = "Debian GNU/Linux 12 (bookworm)";
  const std::scoped_lock lock{mutex_};
  stored_.insert(image.digest);
  return image;
}

bool FakeImageBuilder::remove(const std::string& digest) {
  const std::scoped_lock lock{mutex_};
  return stored_.erase(digest) == 1;
}

void FakeImageBuilder::collect(const std::vector<std::string>& digests_in_use) {
  const std::scoped_lock lock{mutex_};
  const std::set<std::string> used{digests_in_use.begin(), digests_in_use.end()};
  std::erase_if(stored_, [&](const std::string& digest) { return !used.contains(digest); });
}

void FakeImageBuilder::check(const ImageSpec&, const std::string&) {
  const std::scoped_lock lock{mutex_};
  if (check_failure_) throw *check_failure_;
}

}  // namespace sovirt
