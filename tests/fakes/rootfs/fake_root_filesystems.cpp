#include "tests/fakes/rootfs/fake_root_filesystems.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

namespace sovirt {

void FakeRootFilesystems::fail_call(int n, Error error) {
  const std::scoped_lock lock{mutex_};
  failures_.insert_or_assign(calls_ + n, std::move(error));
}

int FakeRootFilesystems::calls() const {
  const std::scoped_lock lock{mutex_};
  return calls_;
}

void FakeRootFilesystems::set_image(const std::string& lower, Image image) {
  const std::scoped_lock lock{mutex_};
  images_.insert_or_assign(lower, std::move(image));
}

bool FakeRootFilesystems::exists(const std::string& directory) const {
  const std::scoped_lock lock{mutex_};
  return containers_.contains(directory);
}

std::map<std::string, std::string> FakeRootFilesystems::files(const std::string& directory) const {
  const std::scoped_lock lock{mutex_};
  const auto found = containers_.find(directory);
  return found == containers_.end() ? std::map<std::string, std::string>{} : found->second;
}

void FakeRootFilesystems::set_files(const std::string& directory, std::map<std::string, std::string> files) {
  const std::scoped_lock lock{mutex_};
  containers_.insert_or_assign(directory, std::move(files));
}

bool FakeRootFilesystems::drop(const std::string& directory) {
  const std::scoped_lock lock{mutex_};
  return containers_.erase(directory) == 1;
}

RootfsLayers FakeRootFilesystems::layers(int rootfs) const {
  const std::scoped_lock lock{mutex_};
  return find(rootfs);
}

std::size_t FakeRootFilesystems::mounts() const {
  const std::scoped_lock lock{mutex_};
  return made_;
}

void FakeRootFilesystems::count_call() {
  const auto failure = failures_.find(++calls_);
  if (failure == failures_.end()) return;
  Error error = failure->second;
  failures_.erase(failure);
  throw error;
}

const RootfsLayers& FakeRootFilesystems::find(int rootfs) const {
  struct stat facts{};
  if (::fstat(rootfs, &facts) != 0) throw errno_error("fstat", "root file system");
  const auto found = mounts_.find({facts.st_dev, facts.st_ino});
  if (found == mounts_.end()) throw Error{Code::internal, "this descriptor is no mount of a root file system"};
  return found->second;
}

FakeRootFilesystems::Image FakeRootFilesystems::image(int rootfs) const {
  const auto found = images_.find(find(rootfs).lower);
  return found == images_.end() ? Image{} : found->second;
}

void FakeRootFilesystems::create(const RootfsLayers& layers) {
  const std::scoped_lock lock{mutex_};
  count_call();
  containers_.try_emplace(layers.directory);
}

bool FakeRootFilesystems::remove(const std::string& directory) {
  const std::scoped_lock lock{mutex_};
  count_call();
  return containers_.erase(directory) == 1;
}

bool FakeRootFilesystems::move(const std::string& directory, const std::string& to) {
  const std::scoped_lock lock{mutex_};
  count_call();
  auto moved = containers_.extract(directory);
  if (moved.empty()) return containers_.contains(to);
  moved.key() = to;
  containers_.insert(std::move(moved));
  return true;
}

std::vector<std::string> FakeRootFilesystems::directories(const std::string& parent) {
  const std::scoped_lock lock{mutex_};
  count_call();
  std::vector<std::string> names;
  for (const auto& [path, files] : containers_)
    if (path.starts_with(parent + "/")) names.push_back(path.substr(parent.size() + 1));
  return names;
}

unique_fd FakeRootFilesystems::mount(const RootfsLayers& layers) {
  const std::scoped_lock lock{mutex_};
  count_call();
  if (!layers.directory.empty() && !containers_.contains(layers.directory)) throw errno_error(ENOENT, "fsconfig", layers.directory);
  for (const std::string& one : layers.layers)
    if (!containers_.contains(one)) throw errno_error(ENOENT, "fsconfig", one);
  unique_fd fd{::memfd_create("sovirt-fake-rootfs", MFD_CLOEXEC)};
  struct stat facts{};
  if (!fd || ::fstat(fd.get(), &facts) != 0) throw errno_error("memfd_create");
  // Numbers of dead mounts are used again by the kernel: the newest counts.
  mounts_.insert_or_assign({facts.st_dev, facts.st_ino}, layers);
  newest_ = layers;
  ++made_;
  return fd;
}

unique_fd FakeRootFilesystems::mount_again() {
  const RootfsLayers layers = [&] {
    const std::scoped_lock lock{mutex_};
    return newest_;
  }();
  return mount(layers);
}

void FakeRootFilesystems::write(int rootfs, const std::vector<RootfsFile>& files) {
  const std::scoped_lock lock{mutex_};
  count_call();
  auto& there = containers_.at(find(rootfs).directory);
  for (const RootfsFile& file : files)
    if (!file.keep_existing || !there.contains(file.path)) there[file.path] = file.content;
}

std::optional<std::string> FakeRootFilesystems::missing_for(int rootfs, std::string_view command, std::string_view) {
  const std::scoped_lock lock{mutex_};
  count_call();
  const Image found = image(rootfs);
  if (!found.commands || found.commands->contains(std::string(command))) return std::nullopt;
  return std::string(command) + " is not in the root file system";
}

std::optional<std::string> FakeRootFilesystems::find_init(int rootfs) {
  const std::scoped_lock lock{mutex_};
  count_call();
  return image(rootfs).init;
}

int FakeRootFilesystems::shutdown_signal(int rootfs, std::string_view command) {
  const std::scoped_lock lock{mutex_};
  count_call();
  const Image found = image(rootfs);
  return found.init && *found.init == command ? found.shutdown_signal : SIGTERM;
}

}  // namespace sovirt
