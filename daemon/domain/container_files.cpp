#include "daemon/domain/container_files.hpp"

#include <optional>
#include <utility>

#include "api/file_path.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/layers.hpp"

namespace sovirt {

struct FileSessions::Root { unique_fd fd; };

// One end of a connection at work on a container's files. What it has open is let go of by whoever is first: its
// owner, or the end of the mount.
struct FileSessions::Transfer {
  std::mutex mutex;
  std::shared_ptr<Root> root;   // kept until the last byte: a stopped container is mounted that long
  std::unique_ptr<ByteSource> source;
  std::unique_ptr<ByteTarget> target;
  bool ended = false;

  void check() const {
    if (ended) throw Error{Code::conflict, "the container was started, stopped or deleted while its files were transferred"}.with_hint("ask again");
  }
  void end() {
    const std::lock_guard lock(mutex);
    ended = true;
    source.reset();
    target.reset();
    root.reset();
  }
};

class FileSessions::Source final : public ByteSource {
 public:
  explicit Source(std::shared_ptr<Transfer> transfer) : transfer_(std::move(transfer)) {}
  ~Source() override { transfer_->end(); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  std::string read(std::size_t most) override {
    const std::lock_guard lock(transfer_->mutex);
    transfer_->check();
    return transfer_->source->read(most);
  }

 private:
  std::shared_ptr<Transfer> transfer_;
};

class FileSessions::Target final : public ByteTarget {
 public:
  explicit Target(std::shared_ptr<Transfer> transfer) : transfer_(std::move(transfer)) {}
  ~Target() override { transfer_->end(); }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  void write(std::string_view bytes) override {
    const std::lock_guard lock(transfer_->mutex);
    transfer_->check();
    transfer_->target->write(bytes);
  }
  void finish() override {
    const std::lock_guard lock(transfer_->mutex);
    transfer_->check();
    transfer_->target->finish();
  }

 private:
  std::shared_ptr<Transfer> transfer_;
};

std::shared_ptr<FileSessions::Root> FileSessions::stopped_root(const Entry& entry) {
  const std::string& uid = entry.resource.uid;
  const std::lock_guard lock(mutex_);
  auto& known = stopped_[uid];
  if (auto root = known.lock()) return root;
  auto root = std::make_shared<Root>();
  root->fd = kernel_.roots.mount(Layers(catalog_, kernel_, places_).of(entry.resource));
  known = root;
  return root;
}

// Work is given the root and the transfer that it may fill. Of a stopped container the object is held while it is
// mounted and opened: nobody starts it then. A running one has its mount already, and may end as soon as it likes.
template <typename Work>
auto FileSessions::with_root(std::string_view container, Work&& work) {
  for (int attempt = 0; attempt < 4; ++attempt) {
    const auto transfer = std::make_shared<Transfer>();
    EntryPtr entry = catalog_.need(Kind::container, container);
    const std::string uid = entry->resource.uid;
    std::optional<KeyedLocks::Guard> guard;
    if (!entry->runtime.alive()) {
      guard.emplace(locks_.lock({object_ref(Kind::container, container)}));
      entry = catalog_.need(Kind::container, container);
      if (entry->runtime.alive() || entry->resource.uid != uid) continue;
      transfer->root = stopped_root(*entry);
    } else {
      transfer->root = std::make_shared<Root>();
      transfer->root->fd = kernel_.files.root_of(entry->runtime.init);
    }
    {
      const std::lock_guard lock(mutex_);
      auto& mine = transfers_[uid];
      std::erase_if(mine, [](const auto& one) { return one.expired(); });
      mine.push_back(transfer);
    }
    // Seen by end() from here on, which waits for the work; if it came before, this is not the mount any more.
    const std::lock_guard at_work(transfer->mutex);
    const EntryPtr now = catalog_.find_uid(uid);
    if (transfer->ended) continue;
    if (!guard && (!now || !now->runtime.alive() || now->runtime.init != entry->runtime.init)) continue;
    return work(transfer->root->fd.get(), transfer);
  }
  throw Error{Code::busy, object_ref(Kind::container, container) + " is starting and stopping"}.with_hint("try again");
}

FileFacts FileSessions::look(std::string_view container, const std::string& path) {
  check_file_path(path);
  return with_root(container, [&](int root, const auto&) { return kernel_.files.look(root, path); });
}

std::vector<FileFacts> FileSessions::list(std::string_view container, const std::string& path, const std::string& after, std::size_t most) {
  check_file_path(path);
  return with_root(container, [&](int root, const auto&) { return kernel_.files.list(root, path, after, most); });
}

std::unique_ptr<ByteSource> FileSessions::read(std::string_view container, const std::string& path, FileFacts& facts) {
  check_file_path(path);
  return with_root(container, [&](int root, const auto& transfer) -> std::unique_ptr<ByteSource> {
    transfer->source = kernel_.files.read(root, path, facts);
    return std::make_unique<Source>(transfer);
  });
}

std::unique_ptr<ByteSource> FileSessions::read_tree(std::string_view container, const std::string& path) {
  check_file_path(path);
  return with_root(container, [&](int root, const auto& transfer) -> std::unique_ptr<ByteSource> {
    transfer->source = kernel_.files.read_tree(root, path);
    return std::make_unique<Source>(transfer);
  });
}

std::unique_ptr<ByteTarget> FileSessions::write(std::string_view container, const std::string& path, const FileAttributes& attributes) {
  check_file_path(path);
  return with_root(container, [&](int root, const auto& transfer) -> std::unique_ptr<ByteTarget> {
    transfer->target = kernel_.files.write(root, path, attributes);
    return std::make_unique<Target>(transfer);
  });
}

std::unique_ptr<ByteTarget> FileSessions::write_tree(std::string_view container, const std::string& path, bool make) {
  check_file_path(path);
  return with_root(container, [&](int root, const auto& transfer) -> std::unique_ptr<ByteTarget> {
    transfer->target = kernel_.files.write_tree(root, path, make);
    return std::make_unique<Target>(transfer);
  });
}

void FileSessions::remove(std::string_view container, const std::string& path, bool recursive) {
  check_file_path(path);
  with_root(container, [&](int root, const auto&) { kernel_.files.remove(root, path, recursive); });
}

void FileSessions::end(std::string_view uid) {
  std::list<std::weak_ptr<Transfer>> mine;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = transfers_.find(uid); found != transfers_.end()) {
      mine = std::move(found->second);
      transfers_.erase(found);
    }
    if (const auto found = stopped_.find(uid); found != stopped_.end()) stopped_.erase(found);
  }
  for (const auto& one : mine)
    if (const auto transfer = one.lock()) transfer->end();
}

}  // namespace sovirt
