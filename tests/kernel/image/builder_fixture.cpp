#include "tests/kernel/image/builder_fixture.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "daemon/kernel/image/tar_reader.hpp"
#include "daemon/kernel/mount/remove_tree.hpp"

namespace sovirt::test {

std::string read_text(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_text(const fs::path& path, const std::string& text, mode_t mode) {
  fs::create_directories(path.parent_path());
  std::ofstream{path, std::ios::binary} << text;
  ::chmod(path.c_str(), mode);
}

TarMaker::TarMaker(const std::string& path, Packing packing) : archive_(::archive_write_new()) {
  ::archive_write_set_format_pax(archive_);
  if (packing == Packing::gzip) ::archive_write_add_filter_gzip(archive_);
  if (packing == Packing::xz) ::archive_write_add_filter_xz(archive_);
  if (packing == Packing::zstd) ::archive_write_add_filter_zstd(archive_);
  EXPECT_EQ(::archive_write_open_filename(archive_, path.c_str()), ARCHIVE_OK) << ::archive_error_string(archive_);
}

TarMaker::~TarMaker() { finish(); }

void TarMaker::finish() {
  if (!archive_) return;
  EXPECT_EQ(::archive_write_free(archive_), ARCHIVE_OK);
  archive_ = nullptr;
}

TarMaker& TarMaker::add(const Header& header) {
  const image::Utf8Locale utf8;
  archive_entry* entry = ::archive_entry_new();
  ::archive_entry_set_pathname(entry, header.name.c_str());
  ::archive_entry_set_filetype(entry, header.type);
  ::archive_entry_set_perm(entry, header.mode);
  ::archive_entry_set_uid(entry, header.uid);
  ::archive_entry_set_gid(entry, header.gid);
  ::archive_entry_set_mtime(entry, 1'000'000'000, 0);
  if (!header.target.empty()) ::archive_entry_set_symlink(entry, header.target.c_str());
  if (!header.hard_link.empty()) ::archive_entry_set_hardlink(entry, header.hard_link.c_str());
  if (header.type == S_IFCHR || header.type == S_IFBLK) ::archive_entry_set_rdev(entry, ::makedev(static_cast<unsigned>(header.major), static_cast<unsigned>(header.minor)));
  for (const auto& [name, value] : header.xattrs) ::archive_entry_xattr_add_entry(entry, name.c_str(), value.data(), value.size());
  const auto data = static_cast<std::int64_t>(header.data.size());
  ::archive_entry_set_size(entry, header.type == S_IFREG && header.hard_link.empty() ? header.hole + data : 0);
  if (header.hole > 0) ::archive_entry_sparse_add_entry(entry, header.hole, data);
  EXPECT_EQ(::archive_write_header(archive_, entry), ARCHIVE_OK) << ::archive_error_string(archive_);
  if (header.hole > 0) {
    const std::string zeros(1 << 20, '\0');  // libarchive wants the hole's bytes and drops them
    for (std::int64_t left = header.hole; left > 0; left -= static_cast<std::int64_t>(zeros.size()))
      ::archive_write_data(archive_, zeros.data(), static_cast<std::size_t>(std::min<std::int64_t>(left, static_cast<std::int64_t>(zeros.size()))));
  }
  EXPECT_EQ(data > 0 ? ::archive_write_data(archive_, header.data.data(), header.data.size()) : 0, data);
  ::archive_entry_free(entry);
  return *this;
}

void BuilderTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "owners and device nodes need root";
  char name[] = "/var/tmp/sovirt-test-image-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  top_ = name;
  mounts_ = read_text("/proc/self/mountinfo");
  builder_ = make_image_builder({images(), temporary()});
}

void BuilderTest::TearDown() {
  if (top_.empty()) return;
  EXPECT_TRUE(!fs::exists(temporary()) || fs::is_empty(temporary())) << "a build left something behind";
  EXPECT_EQ(read_text("/proc/self/mountinfo").find(top_), std::string::npos);
  rootfs::remove_tree(top_);
}

BuiltImage BuilderTest::build(const ImageSpec& spec, std::stop_token stop, const std::string& uploaded) {
  progress_.clear();
  return builder_->build(spec, uploaded, std::move(stop), [this](Progress step) { progress_.push_back(std::move(step)); });
}

Error BuilderTest::refused() {
  try {
    const BuiltImage built = build_tar();
    ADD_FAILURE() << "was built as " << built.digest;
  } catch (const Error& error) {
    EXPECT_TRUE(stored().empty());
    return error;
  }
  return Error{Code::internal, "it was built"};
}

std::vector<std::string> BuilderTest::stored() const {
  std::vector<std::string> names;
  if (fs::exists(images()))
    for (const auto& entry : fs::directory_iterator(images())) names.push_back(entry.path().filename());
  return names;
}

}  // namespace sovirt::test
