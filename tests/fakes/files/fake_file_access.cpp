#include "tests/fakes/files/fake_file_access.hpp"

#include <fcntl.h>

#include "daemon/base/error.hpp"

namespace sovirt {

class FakeFileAccess::Source final : public ByteSource {
 public:
  Source(std::shared_ptr<State> state, std::string left) : state_(std::move(state)), left_(std::move(left)) { ++state_->open; }
  ~Source() override {
    const std::lock_guard lock(state_->mutex);
    --state_->open;
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  std::string read(std::size_t most) override {
    std::string block = left_.substr(0, most);
    left_.erase(0, block.size());
    return block;
  }

 private:
  std::shared_ptr<State> state_;
  std::string left_;
};

class FakeFileAccess::Target final : public ByteTarget {
 public:
  Target(std::shared_ptr<State> state, std::string path) : state_(std::move(state)), path_(std::move(path)) { ++state_->open; }
  ~Target() override {
    const std::lock_guard lock(state_->mutex);
    --state_->open;
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  void write(std::string_view bytes) override { content_.append(bytes); }
  void finish() override {
    const std::lock_guard lock(state_->mutex);
    state_->files[path_] = content_;
  }

 private:
  std::shared_ptr<State> state_;
  std::string path_, content_;
};

void FakeFileAccess::put(const std::string& path, std::string content) {
  const std::lock_guard lock(state_->mutex);
  state_->files[path] = std::move(content);
}

std::map<std::string, std::string> FakeFileAccess::all() const {
  const std::lock_guard lock(state_->mutex);
  return state_->files;
}

std::size_t FakeFileAccess::open() const {
  const std::lock_guard lock(state_->mutex);
  return state_->open;
}

void FakeFileAccess::end_process(pid_t init) {
  const std::lock_guard lock(state_->mutex);
  state_->ended.insert(init);
}

unique_fd FakeFileAccess::root_of(const ProcessId& init) {
  const std::lock_guard lock(state_->mutex);
  if (state_->ended.contains(init.pid)) throw Error{Code::conflict, "the container has just ended"};
  return open_root ? open_root() : unique_fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
}

// With the lock held: a path that others lie below.
bool FakeFileAccess::is_directory(const std::string& path) const {
  const std::string below = path == "/" ? "/" : path + "/";
  const auto next = state_->files.lower_bound(below);
  return path == "/" || (next != state_->files.end() && next->first.starts_with(below));
}

FileFacts FakeFileAccess::look(int, const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  FileFacts facts;
  facts.name = path.substr(path.rfind('/') + 1);
  facts.mode = 0644;
  const auto found = state_->files.find(path);
  if (found != state_->files.end()) {
    facts.type = "file";
    facts.size = found->second.size();
  } else if (is_directory(path)) {
    facts.type = "directory";
    facts.mode = 0755;
  } else {
    throw Error{Code::not_found, path + ": No such file or directory"};
  }
  return facts;
}

std::vector<FileFacts> FakeFileAccess::list(int root, const std::string& path, const std::string& after, std::size_t most) {
  std::set<std::string> names;
  const std::string below = path == "/" ? "/" : path + "/";
  for (const auto& [name, content] : all())
    if (name.starts_with(below)) names.insert(name.substr(below.size(), name.find('/', below.size()) - below.size()));
  std::vector<FileFacts> facts;
  for (auto name = names.upper_bound(after); name != names.end() && facts.size() < most; ++name) facts.push_back(look(root, below + *name));
  return facts;
}

std::unique_ptr<ByteSource> FakeFileAccess::read(int root, const std::string& path, FileFacts& facts) {
  facts = look(root, path);
  if (facts.type != "file") throw Error{Code::conflict, path + " is a directory"};
  const std::lock_guard lock(state_->mutex);
  return std::make_unique<Source>(state_, state_->files.at(path));
}

std::unique_ptr<ByteSource> FakeFileAccess::read_tree(int root, const std::string& path) {
  look(root, path);
  const std::lock_guard lock(state_->mutex);
  return std::make_unique<Source>(state_, path);
}

std::unique_ptr<ByteTarget> FakeFileAccess::write(int, const std::string& path, const FileAttributes&) {
  const std::lock_guard lock(state_->mutex);
  if (is_directory(path)) throw Error{Code::conflict, path + " is a directory"};
  return std::make_unique<Target>(state_, path);
}

std::unique_ptr<ByteTarget> FakeFileAccess::write_tree(int, const std::string& path, bool make) {
  const std::lock_guard lock(state_->mutex);
  if (!make && !is_directory(path)) throw Error{Code::conflict, path + " is not a directory"};
  return std::make_unique<Target>(state_, path + "/unpacked");
}

void FakeFileAccess::remove(int, const std::string& path, bool recursive) {
  const std::lock_guard lock(state_->mutex);
  if (state_->files.erase(path) == 1) return;
  if (!is_directory(path)) throw Error{Code::not_found, path + ": No such file or directory"};
  if (!recursive) throw Error{Code::conflict, path + " is a directory that has something in it"};
  std::erase_if(state_->files, [&](const auto& file) { return file.first.starts_with(path + "/"); });
}

}  // namespace sovirt
