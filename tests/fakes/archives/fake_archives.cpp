#include "tests/fakes/archives/fake_archives.hpp"

namespace sovirt {
namespace {

BuiltImage image_of(char letter) {
  const std::string hex(64, letter);
  return {"sha256:" + hex, "/nonexistent/sovirt-fake-images/" + hex + "/rootfs", 4096, "amd64", "unknown"};
}

}  // namespace

void FakeArchives::fail_next(Error error) {
  const std::scoped_lock lock{mutex_};
  failure_ = std::move(error);
}

bool FakeArchives::exists(const std::string& path) const {
  const std::scoped_lock lock{mutex_};
  return documents_.contains(path);
}

void FakeArchives::fail() {
  if (!failure_) return;
  const Error error = *failure_;
  failure_.reset();
  throw error;
}

BuiltImage FakeArchives::publish(int, std::stop_token, const Report& report) {
  const std::scoped_lock lock{mutex_};
  fail();
  if (report) report({50, "copying"});
  return image_of(static_cast<char>('a' + published_++ % 6));
}

WrittenArchive FakeArchives::write(int, const std::string& document, const std::string& path, uid_t, std::stop_token, const Report&) {
  const std::scoped_lock lock{mutex_};
  fail();
  if (!documents_.try_emplace(path, document).second) throw Error{Code::exists, path + " exists already"};
  return {document.size(), "sha256:" + std::string(64, '0')};
}

std::string FakeArchives::document(const std::string& path) {
  const std::scoped_lock lock{mutex_};
  const auto found = documents_.find(path);
  if (found == documents_.end()) throw field_error("/path", "unreadable", path + " is not there");
  return found->second;
}

BuiltImage FakeArchives::read(const std::string& path, const std::string&, std::stop_token, const Report&) {
  document(path);
  const std::scoped_lock lock{mutex_};
  fail();
  return image_of('9');
}

}  // namespace sovirt
