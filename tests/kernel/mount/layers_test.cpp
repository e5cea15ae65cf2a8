#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <functional>
#include <map>

#include "daemon/base/error.hpp"
#include "daemon/kernel/mount/kernel_layer_files.hpp"
#include "daemon/kernel/mount/overlay_mount.hpp"
#include "tests/kernel/mount/temporary_tree.hpp"

namespace sovirt::test {
namespace {

std::string at(const unique_fd& root, const std::string& path = "") { return "/proc/self/fd/" + std::to_string(root.get()) + "/" + path; }

std::string attribute(const std::string& path, const char* name) {
  char value[256];
  const ssize_t size = ::lgetxattr(path.c_str(), name, value, sizeof value);
  return size < 0 ? "" : std::string(value, static_cast<std::size_t>(size));
}

class LayersTest : public TreeTest {
 protected:
  // Path to what is there: type, mode, content or target.
  static std::map<std::string, std::string> tree(const unique_fd& root) {
    std::map<std::string, std::string> found;
    const std::string top = at(root);
    for (const auto& entry : fs::recursive_directory_iterator(top)) {
      struct stat facts{};
      ::lstat(entry.path().c_str(), &facts);
      std::string text = std::to_string(facts.st_mode) + " " + std::to_string(facts.st_uid) + " ";
      if (S_ISREG(facts.st_mode)) text += facts.st_size < 4096 ? read_text(entry.path()) : std::to_string(facts.st_size);
      if (S_ISLNK(facts.st_mode)) text += fs::read_symlink(entry.path());
      found[entry.path().string().substr(top.size())] = text + attribute(entry.path(), "user.mark");
    }
    return found;
  }
  std::string layer(int number) const { return top() + "/layers/layer" + std::to_string(number); }
  std::string directory() const { return layers().directory; }
  RootfsLayers on(std::vector<std::string> below) const { return {lower(), directory(), std::move(below)}; }

  std::unique_ptr<LayerFiles> files_ = make_layer_files();
};

TEST_F(LayersTest, WhatIsFrozenIsSeenByTheSourceAndByAClone) {
  write_text(lower() + "/etc/gone", "image");
  write_text(lower() + "/data/old", "image");
  {
    const unique_fd root = mount();
    fs::remove(at(root, "etc/gone"));
    fs::remove_all(at(root, "data"));
    write_text(at(root, "data/new"), "written");   // an opaque directory
    write_text(at(root, "file"), "first");
    ASSERT_EQ(::setxattr(at(root, "file").c_str(), "user.mark", "kept", 4, 0), 0);
    ASSERT_EQ(::chmod(at(root).c_str(), 0711), 0);
  }
  EXPECT_FALSE(files_->unchanged(directory(), lower()));
  files_->freeze(directory(), layer(1));
  EXPECT_TRUE(files_->unchanged(directory(), layer(1)));
  const RootfsLayers clone{lower(), top() + "/clone", {layer(1)}};
  rootfs_->create(clone);
  const unique_fd first = rootfs_->mount(on({layer(1)})), second = rootfs_->mount(clone);
  for (const unique_fd* root : {&first, &second}) {
    EXPECT_FALSE(fs::exists(at(*root, "etc/gone")));
    EXPECT_FALSE(fs::exists(at(*root, "data/old")));
    EXPECT_EQ(read_text(at(*root, "data/new")), "written");
    EXPECT_EQ(attribute(at(*root, "file"), "user.mark"), "kept");
    struct stat facts{};
    ASSERT_EQ(::stat(at(*root).c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777, 0711u);
  }
  write_text(at(first, "file"), "changed");
  EXPECT_EQ(read_text(at(second, "file")), "first");
  EXPECT_EQ(read_text(layer(1) + "/file"), "first");
}

TEST_F(LayersTest, FreezeAndResetAreUndoneHoweverFarTheyCame) {
  rootfs_->create(layers());
  write_text(directory() + "/upper/kept", "1");
  files_->unfreeze(directory(), layer(1));   // never begun
  fs::create_directories(top() + "/layers");
  fs::rename(directory() + "/upper", layer(1));   // half done
  files_->unfreeze(directory(), layer(1));
  EXPECT_EQ(read_text(directory() + "/upper/kept"), "1");
  files_->freeze(directory(), layer(1));
  files_->freeze(directory(), layer(1));
  files_->unfreeze(directory(), layer(1));
  files_->unfreeze(directory(), layer(1));
  EXPECT_EQ(read_text(directory() + "/upper/kept"), "1");
  EXPECT_FALSE(fs::exists(layer(1)));

  files_->reset(directory(), lower(), top() + "/tmp/aside");
  EXPECT_TRUE(files_->unchanged(directory(), lower()));
  files_->reset(directory(), lower(), top() + "/tmp/aside");
  files_->take_back(directory(), top() + "/tmp/aside");
  files_->take_back(directory(), top() + "/tmp/aside");
  EXPECT_EQ(read_text(directory() + "/upper/kept"), "1");
}

TEST_F(LayersTest, UndoNeverDropsWhatSomebodyWrote) {
  rootfs_->create(layers());
  files_->freeze(directory(), layer(1));
  write_text(directory() + "/upper/new", "1");
  EXPECT_THROW(files_->unfreeze(directory(), layer(1)), Error);
  EXPECT_EQ(read_text(directory() + "/upper/new"), "1");
}

TEST_F(LayersTest, MoreLayersThanOneValueOfFsconfigHoldsAreMounted) {
  std::vector<std::string> below;
  rootfs_->create(layers());
  for (int number = 0; number < 48; ++number) {
    {
      const unique_fd root = rootfs_->mount(on(below));
      write_text(at(root, "n" + std::to_string(number)), "x");
      if (number > 0) fs::remove(at(root, "n" + std::to_string(number - 1)));
    }
    files_->freeze(directory(), layer(number));
    below.insert(below.begin(), layer(number));
  }
  const unique_fd root = rootfs_->mount(on(below));
  EXPECT_TRUE(fs::exists(at(root, "n47")));
  EXPECT_FALSE(fs::exists(at(root, "n3")));
  const unique_fd read_only = rootfs::mount_read_only(lower(), below);
  EXPECT_TRUE(fs::exists(at(read_only, "n47")));
  EXPECT_TRUE(fs::exists(at(rootfs::mount_read_only(lower(), {}), "bin/bash")));
}

TEST_F(LayersTest, ACopyKeepsEverything) {
  write_text(lower() + "/etc/gone", "image");
  {
    const unique_fd root = mount();
    fs::remove(at(root, "etc/gone"));
    write_text(at(root, "dir/file"), "content", 04755);
    ASSERT_EQ(::lchown(at(root, "dir/file").c_str(), 12, 34), 0);
    ASSERT_EQ(::chmod(at(root, "dir/file").c_str(), 04755), 0);
    ASSERT_EQ(::link(at(root, "dir/file").c_str(), at(root, "dir/again").c_str()), 0);
    fs::create_symlink("/etc/passwd", at(root, "dir/link"));
    ASSERT_EQ(::mkfifo(at(root, "dir/pipe").c_str(), 0620), 0);
    ASSERT_EQ(::setxattr(at(root, "dir").c_str(), "user.mark", "d", 1, 0), 0);
    write_text(at(root, "sparse"), "begin");
    ASSERT_EQ(::truncate(at(root, "sparse").c_str(), off_t{1} << 40), 0);
    const timespec times[2] = {{1000, 5}, {2000, 7}};
    ASSERT_EQ(::utimensat(AT_FDCWD, at(root, "dir").c_str(), times, 0), 0);
  }
  std::uint64_t told = 0;
  files_->copy(directory() + "/upper", layer(1), {}, [&](std::uint64_t bytes) { told = bytes; });
  files_->copy(directory() + "/upper", layer(1), {}, {});   // is there
  const std::string from = directory() + "/upper", to = layer(1);
  struct stat facts{}, again{};
  ASSERT_EQ(::lstat((to + "/etc/gone").c_str(), &facts), 0);
  EXPECT_TRUE(S_ISCHR(facts.st_mode));
  EXPECT_EQ(facts.st_rdev, makedev(0, 0));
  ASSERT_EQ(::lstat((to + "/dir/file").c_str(), &facts), 0);
  ASSERT_EQ(::lstat((to + "/dir/again").c_str(), &again), 0);
  EXPECT_EQ(facts.st_mode & 07777, 04755u);
  EXPECT_EQ(facts.st_uid, 12u);
  EXPECT_EQ(facts.st_ino, again.st_ino);
  ASSERT_EQ(::lstat((to + "/sparse").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_size, off_t{1} << 40);
  EXPECT_LT(facts.st_blocks, 64);
  ASSERT_EQ(::lstat((to + "/dir").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mtim.tv_sec, 2000);
  EXPECT_EQ(attribute(to + "/dir", "user.mark"), "d");
  const unique_fd first = rootfs_->mount(layers());
  const unique_fd second = rootfs::mount_read_only(lower(), {to});
  fs::remove(at(first, "sparse"));
  auto seen = tree(second);
  EXPECT_EQ(seen.erase("sparse"), 1u);
  EXPECT_EQ(tree(first), seen);
  EXPECT_GT(files_->size(to), 4096u);
  EXPECT_LT(files_->size(to), 1u << 20);
}

TEST_F(LayersTest, ACancelledCopyLeavesNothing) {
  rootfs_->create(layers());
  write_text(directory() + "/upper/file", "x");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(files_->copy(directory() + "/upper", layer(1), stop.get_token(), {}), Error);
  EXPECT_FALSE(fs::exists(layer(1)));
  EXPECT_TRUE(fs::is_empty(top() + "/layers"));
}

// Changes of all kinds, each of which meets what the layer below made of the same path.
void change(const unique_fd& root, int round) {
  const std::string mark = std::to_string(round);
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    const std::string path = at(root, name);
    switch ((round * 7 + name[0]) % 5) {
      case 0: fs::remove_all(path); break;
      case 1: fs::remove_all(path); write_text(path, mark); break;
      case 2: fs::remove_all(path); fs::create_directories(path); write_text(path + "/new" + mark, mark); break;
      case 3: if (!fs::is_directory(fs::symlink_status(path))) fs::remove_all(path);
              fs::create_directories(path); write_text(path + "/more" + mark, mark); break;
      case 4: fs::remove_all(path); fs::create_symlink("target" + mark, path); break;
    }
  }
  fs::remove(at(root, "deep/1/2/" + std::to_string(round - 1)));
  write_text(at(root, "deep/1/2/" + mark), mark);
  if (round % 3 == 0) fs::remove_all(at(root, "deep/1"));
}

TEST_F(LayersTest, MergedLayersShowWhatTheStackShowed) {
  for (const char* name : {"a", "b", "c"}) write_text(lower() + "/" + name + "/image", "image");
  write_text(lower() + "/d", "image");
  write_text(lower() + "/deep/1/2/image", "image");
  rootfs_->create(layers());
  std::vector<std::string> below;
  int merged = 100;
  for (int round = 0; round < 8; ++round) {
    {
      const unique_fd root = rootfs_->mount(on(below));
      change(root, round);
    }
    files_->freeze(directory(), layer(round));
    below.insert(below.begin(), layer(round));
    const auto before = tree(rootfs::mount_read_only(lower(), below));
    // In the middle, on top and at the bottom of the stack.
    for (std::size_t place = 0; place + 1 < below.size(); ++place) {
      std::vector<std::string> fewer = below;
      files_->merge(below[place], below[place + 1], layer(++merged));
      fewer[place] = layer(merged);
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(place) + 1);
      EXPECT_EQ(tree(rootfs::mount_read_only(lower(), fewer)), before) << "round " << round << ", place " << place;
    }
  }
}

TEST_F(LayersTest, ANewIdentityReplacesWhatTellsSystemsApart) {
  write_text(lower() + "/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0444);
  write_text(lower() + "/etc/ssh/ssh_host_rsa_key", "secret", 0600);
  write_text(lower() + "/etc/ssh/ssh_host_ed25519_key", "secret", 0600);
  write_text(lower() + "/etc/ssh/sshd_config", "Port 22\n");
  write_text(lower() + "/var/lib/dhcp/dhclient.eth0.leases", "lease");
  write_text(lower() + "/var/lib/systemd/random-seed", "seed");
  const unique_fd root = mount();
  files_->new_identity(root.get());
  EXPECT_EQ(fs::file_size(at(root, "etc/machine-id")), 0u);
  EXPECT_FALSE(fs::exists(at(root, "etc/ssh/ssh_host_rsa_key")));
  EXPECT_FALSE(fs::exists(at(root, "var/lib/dhcp/dhclient.eth0.leases")));
  EXPECT_FALSE(fs::exists(at(root, "var/lib/systemd/random-seed")));
  EXPECT_TRUE(fs::exists(at(root, "etc/ssh/sshd_config")));
  const std::string key = read_text(at(root, "etc/ssh/ssh_host_ed25519_key"));
  EXPECT_TRUE(key.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n")) << key;
  EXPECT_EQ(::access("/usr/bin/ssh-keygen", X_OK), 0) << "openssh-client reads the keys";
  // ssh-keygen reads both halves: the public key of the secret one is the one beside it.
  for (const std::string type : {"ed25519", "ecdsa"}) {
    const std::string copy = top() + "/key-" + type, path = at(root, "etc/ssh/ssh_host_" + type + "_key");
    write_text(copy, read_text(path), 0600);
    ASSERT_EQ(::system(("ssh-keygen -y -f " + copy + " > " + copy + ".out").c_str()), 0) << type;
    EXPECT_EQ(read_text(copy + ".out").substr(0, 70), read_text(path + ".pub").substr(0, 70));
    struct stat facts{};
    ASSERT_EQ(::stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777, 0600u);
  }
}

TEST_F(LayersTest, ANewIdentityStaysInsideTheRoot) {
  const std::string outside = top() + "/outside";
  write_text(outside + "/machine-id", "untouched");
  write_text(outside + "/ssh_host_rsa_key", "untouched");
  fs::remove_all(lower() + "/etc");
  fs::create_symlink(outside, lower() + "/etc");
  fs::create_symlink("../../../../../../.." + outside, lower() + "/ssh");
  const unique_fd root = mount();
  files_->new_identity(root.get());
  EXPECT_EQ(read_text(outside + "/machine-id"), "untouched");
  EXPECT_EQ(read_text(outside + "/ssh_host_rsa_key"), "untouched");
}

TEST_F(LayersTest, ASystemWithoutIdentityFilesIsLeftAlone) {
  const unique_fd root = mount();
  files_->new_identity(root.get());
  EXPECT_TRUE(files_->unchanged(directory(), lower()));
}

}  // namespace
}  // namespace sovirt::test
