#include "api/file_path.hpp"
#include "daemon/base/error.hpp"
#include "fake_service.hpp"

namespace sovirt::test {
namespace {

class Source final : public ByteSource {
 public:
  Source(FakeFiles& files, std::string left) : files_(files), left_(std::move(left)) { ++files_.open; }
  ~Source() override { --files_.open; }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  std::string read(std::size_t most) override {
    std::string block = left_.substr(at_, most);
    at_ += block.size();
    files_.given += block.size();
    return block;
  }

 private:
  FakeFiles& files_;
  std::string left_;
  std::size_t at_ = 0;
};

class Target final : public ByteTarget {
 public:
  Target(FakeFiles& files, std::string path) : files_(files), path_(std::move(path)) { ++files_.open; }
  ~Target() override { --files_.open; }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  void write(std::string_view bytes) override { content_.append(bytes); }
  void finish() override {
    const std::lock_guard lock(files_.mutex);
    files_.files[path_] = content_;
  }

 private:
  FakeFiles& files_;
  std::string path_, content_;
};

}  // namespace

FileFacts FakeFiles::look(std::string_view, const std::string& path) {
  check_file_path(path);
  const std::lock_guard lock(mutex);
  FileFacts facts;
  facts.name = path.substr(path.rfind('/') + 1);
  facts.mode = 0644;
  facts.uid = 7;
  facts.gid = 8;
  facts.type = path == "/" ? "directory" : "file";
  if (path == "/") return facts;
  if (!files.contains(path)) throw Error{Code::not_found, path + ": No such file or directory"};
  facts.size = files.at(path).size() + claims_more;
  return facts;
}

std::vector<FileFacts> FakeFiles::list(std::string_view container, const std::string&, const std::string& after, std::size_t most) {
  std::vector<FileFacts> all;
  for (auto file = files.upper_bound("/" + after); file != files.end() && all.size() < most; ++file) all.push_back(look(container, file->first));
  return all;
}

std::unique_ptr<ByteSource> FakeFiles::read(std::string_view container, const std::string& path, FileFacts& facts) {
  facts = look(container, path);
  const std::lock_guard lock(mutex);
  return std::make_unique<Source>(*this, files.at(path));
}

std::unique_ptr<ByteSource> FakeFiles::read_tree(std::string_view, const std::string& path) {
  return std::make_unique<Source>(*this, "archive of " + path);
}

std::unique_ptr<ByteTarget> FakeFiles::write(std::string_view, const std::string& path, const FileAttributes& attributes) {
  check_file_path(path);
  last = attributes;
  return std::make_unique<Target>(*this, path);
}

std::unique_ptr<ByteTarget> FakeFiles::write_tree(std::string_view, const std::string& path, bool) {
  return std::make_unique<Target>(*this, path + "(unpacked)");
}

void FakeFiles::remove(std::string_view, const std::string& path, bool) {
  if (files.erase(path) == 0) throw Error{Code::not_found, path + ": No such file or directory"};
}

}  // namespace sovirt::test
