#include "tests/fakes/helper/fake_helpers.hpp"

namespace sovirt::fakes {
namespace {

// Its data may change while it runs.
HelperSpec identity_of(HelperSpec spec) {
  spec.data.clear();
  return spec;
}

}  // namespace

bool FakeHelpers::installed(std::string_view program) {
  const std::lock_guard lock(mutex_);
  return absent_.count(program) == 0;
}

void FakeHelpers::start(const HelperSpec& spec, int) {
  const std::lock_guard lock(mutex_);
  if (absent_.count(spec.program) != 0) throw Error{Code::unsupported, "this host lacks the program " + spec.program};
  Helper& helper = helpers_[spec.key];
  if (helper.alive && identity_of(helper.spec) == identity_of(spec)) return;
  helper.alive = false;
  helper.spec = spec;
  for (const auto& [name, content] : spec.files) helper.folder[name] = content;
  for (const auto& [name, content] : spec.data) helper.folder[name] = content;
  if (failure_) {
    const Error error = *failure_;
    failure_.reset();
    throw error;
  }
  helper.alive = true;
  ++starts_;
}

bool FakeHelpers::runs(const HelperSpec& spec) {
  const std::lock_guard lock(mutex_);
  const auto found = helpers_.find(spec.key);
  return found != helpers_.end() && found->second.alive && identity_of(found->second.spec) == identity_of(spec);
}

bool FakeHelpers::stop(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = helpers_.find(key);
  if (found == helpers_.end()) return false;
  helpers_.erase(found);
  return true;
}

bool FakeHelpers::give(std::string_view key, std::string_view file, std::string_view content) {
  const std::lock_guard lock(mutex_);
  const auto found = helpers_.find(key);
  if (found == helpers_.end()) return false;
  std::string& held = found->second.folder[std::string{file}];
  if (held == content) return false;
  held = content;
  return true;
}

std::optional<std::string> FakeHelpers::read(std::string_view key, std::string_view file) {
  const std::lock_guard lock(mutex_);
  const auto found = helpers_.find(key);
  if (found == helpers_.end()) return std::nullopt;
  const auto content = found->second.folder.find(file);
  return content == found->second.folder.end() ? std::nullopt : std::optional{content->second};
}

std::vector<std::string> FakeHelpers::known() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, helper] : helpers_) keys.push_back(key);
  return keys;
}

std::shared_ptr<void> FakeHelpers::watch(std::function<void(std::string_view)> listener) {
  const std::lock_guard lock(listeners_->mutex);
  const auto place = listeners_->all.insert(listeners_->all.end(), std::move(listener));
  return std::shared_ptr<void>(nullptr, [listeners = listeners_, place](void*) {
    const std::lock_guard guard(listeners->mutex);
    listeners->all.erase(place);
  });
}

void FakeHelpers::uninstall(std::string program) {
  const std::lock_guard lock(mutex_);
  absent_.insert(std::move(program));
}

void FakeHelpers::fail_start(Error error) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(error);
}

void FakeHelpers::kill(std::string_view key) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = helpers_.find(key);
    if (found == helpers_.end() || !found->second.alive) return;
    found->second.alive = false;
  }
  const std::lock_guard lock(listeners_->mutex);
  for (const auto& listener : listeners_->all) listener(key);
}

void FakeHelpers::write(std::string_view key, std::string_view file, std::string content) {
  const std::lock_guard lock(mutex_);
  if (const auto found = helpers_.find(key); found != helpers_.end()) found->second.folder[std::string{file}] = std::move(content);
}

bool FakeHelpers::alive(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = helpers_.find(key);
  return found != helpers_.end() && found->second.alive;
}

int FakeHelpers::starts() {
  const std::lock_guard lock(mutex_);
  return starts_;
}

}  // namespace sovirt::fakes
