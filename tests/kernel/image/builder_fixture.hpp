#pragma once
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/image/kernel_image_builder.hpp"

struct archive;

namespace sovirt::test {

namespace fs = std::filesystem;

std::string read_text(const fs::path&);
void write_text(const fs::path&, const std::string&, mode_t mode = 0644);

enum class Packing { plain, gzip, xz, zstd };

// Makes an archive member by member; the header of each may say anything.
class TarMaker {
 public:
  explicit TarMaker(const std::string& path, Packing = Packing::plain);
  TarMaker(const TarMaker&) = delete;
  TarMaker& operator=(const TarMaker&) = delete;
  ~TarMaker();

  struct Header {
    std::string name;
    mode_t type = S_IFREG;
    mode_t mode = 0644;
    std::string data{};
    std::string target{};                  // of a symbolic link
    std::string hard_link{};
    std::int64_t uid = 0, gid = 0;
    std::vector<std::pair<std::string, std::string>> xattrs{};
    std::int64_t hole = 0;                 // bytes of nothing before the data: a sparse file
    int major = 0, minor = 0;
  };
  TarMaker& add(const Header&);
  TarMaker& file(const std::string& name, const std::string& data) { return add({.name = name, .data = data}); }
  TarMaker& directory(const std::string& name, mode_t mode = 0755) { return add({.name = name, .type = S_IFDIR, .mode = mode}); }
  TarMaker& link(const std::string& name, const std::string& target) { return add({.name = name, .type = S_IFLNK, .mode = 0777, .target = target}); }
  TarMaker& hard(const std::string& name, const std::string& target) { return add({.name = name, .hard_link = target}); }
  void finish();

 private:
  archive* archive_;
};

// A builder with directories of its own. After each test nothing may be left in the temporary one.
class BuilderTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::string top() const { return top_; }
  std::string tar() const { return top_ + "/archive.tar"; }
  std::string images() const { return top_ + "/state/images"; }
  std::string temporary() const { return top_ + "/state/tmp"; }
  BuiltImage build(const ImageSpec&, std::stop_token = {}, const std::string& uploaded = "");
  BuiltImage build_tar(const std::string& digest = "") { return build({TarballSource{tar(), digest}}); }
  // The Error that building the archive ends with.
  Error refused();
  std::vector<std::string> stored() const;     // names in the images directory

  std::unique_ptr<ImageBuilder> builder_;
  std::vector<Progress> progress_;

 private:
  std::string top_, mounts_;
};

}  // namespace sovirt::test
