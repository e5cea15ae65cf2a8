#include "tests/fakes/layers/fake_layer_files.hpp"

#include <cerrno>

namespace sovirt {

void FakeLayerFiles::fail_call(int n, Error error) {
  const std::scoped_lock lock{mutex_};
  failures_.insert_or_assign(calls_ + n, std::move(error));
}

int FakeLayerFiles::calls() const {
  const std::scoped_lock lock{mutex_};
  return calls_;
}

int FakeLayerFiles::identities() const {
  const std::scoped_lock lock{mutex_};
  return identities_;
}

void FakeLayerFiles::count_call() {
  const std::scoped_lock lock{mutex_};
  const auto failure = failures_.find(++calls_);
  if (failure == failures_.end()) return;
  Error error = failure->second;
  failures_.erase(failure);
  throw error;
}

void FakeLayerFiles::move(const std::string& from, const std::string& to) {
  if (roots_.exists(to)) return;
  if (!roots_.exists(from)) throw errno_error(ENOENT, "rename", from);
  roots_.set_files(to, roots_.files(from));
  roots_.set_files(from, {});
}

void FakeLayerFiles::freeze(const std::string& directory, const std::string& layer) {
  count_call();
  move(directory, layer);
}

void FakeLayerFiles::unfreeze(const std::string& directory, const std::string& layer) { take_back(directory, layer); }

bool FakeLayerFiles::unchanged(const std::string& directory, const std::string&) {
  count_call();
  return roots_.files(directory).empty();
}

void FakeLayerFiles::reset(const std::string& directory, const std::string&, const std::string& aside) {
  count_call();
  move(directory, aside);
}

void FakeLayerFiles::take_back(const std::string& directory, const std::string& aside) {
  count_call();
  if (!roots_.exists(aside)) return;
  if (!roots_.files(directory).empty()) throw errno_error(ENOTEMPTY, "rename", aside);
  roots_.set_files(directory, roots_.files(aside));
  roots_.drop(aside);
}

// `source` is the upper directory in a container's own.
void FakeLayerFiles::copy(const std::string& source, const std::string& layer, std::stop_token stop,
                          const std::function<void(std::uint64_t)>& progress) {
  count_call();
  if (stop.stop_requested()) throw Error{Code::cancelled, "cancelled"};
  const std::string directory = source.substr(0, source.rfind('/'));
  if (!roots_.exists(directory)) throw errno_error(ENOENT, "open", source);
  if (!roots_.exists(layer)) roots_.set_files(layer, roots_.files(directory));
  if (progress) progress(4096);
}

void FakeLayerFiles::merge(const std::string& upper, const std::string& lower, const std::string& into) {
  count_call();
  auto files = roots_.files(lower);
  for (const auto& [path, content] : roots_.files(upper)) files[path] = content;
  roots_.set_files(into, std::move(files));
}

bool FakeLayerFiles::remove(const std::string& layer) {
  count_call();
  return roots_.drop(layer);
}

std::uint64_t FakeLayerFiles::size(const std::string& layer) {
  count_call();
  std::uint64_t size = 0;
  for (const auto& [path, content] : roots_.files(layer)) size += content.size();
  return size;
}

bool FakeLayerFiles::has_identity(const std::string& path) {
  count_call();
  return roots_.files(path).contains("/etc/machine-id");
}

void FakeLayerFiles::new_identity(int rootfs) {
  count_call();
  roots_.layers(rootfs);
  const std::scoped_lock lock{mutex_};
  ++identities_;
}

}  // namespace sovirt
