#include "daemon/domain/recovery.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "daemon/domain/cgroups.hpp"
#include "daemon/domain/ids.hpp"

namespace sovirt {
namespace {

constexpr const char* boot_key = "boot_id";

Actor the_start() { return {0, ::getpid(), "recovery"}; }
}  // namespace

bool Recovery::run(const std::vector<JournalRow>& open_journal, Store& store) {
  for (const JournalRow& row : open_journal) {
    // The reconciler listens already: it must not repair what is being taken down.
    const auto guard = locks_.lock({row.object});
    executor_.resolve(row);
  }
  const bool new_boot = store.meta(boot_key) != places_.boot_id;
  if (new_boot)
    after_boot();
  else
    adopt();
  collect_orphans();
  if (new_boot) store.set_meta(boot_key, places_.boot_id);
  return new_boot;
}

void Recovery::quietly(std::string_view what, const std::string& of, const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    log_.warning(what, {{"object", of}, {"detail", error.what()}});
  }
}

// Nothing of what ran can be there any more; what was asked (`desired`) stays for the restore. The state of a
// boot id that only a test changed may still have processes: they are taken down like orphans.
void Recovery::after_boot() {
  for (const EntryPtr& container : catalog_.all(Kind::container)) {
    if (!container->runtime.alive()) continue;
    Commit commit;
    commit.runtime = container->runtime;
    commit.runtime->state = "stopped";
    commit.runtime->init = commit.runtime->monitor = {};
    commit.actor = the_start();
    commit.events.push_back(make_event("lost", container->resource, {{"reason", "the host was restarted"}}, the_start()));
    executor_.commit(std::move(commit));
  }
}

void Recovery::adopt() {
  for (const EntryPtr& container : catalog_.all(Kind::container)) {
    if (!container->runtime.alive()) continue;
    const std::string& uid = container->resource.uid;
    quietly("cannot adopt", object_ref(Kind::container, container->resource.name), [&] {
      const auto report = kernel_.launcher.report(uid);
      if (report && report->running)
        kernel_.launcher.watch(uid);
      else
        lifecycle_.collect_ended(uid, report ? report->exit : std::nullopt, the_start());
    });
  }
}

void Recovery::collect_orphans() {
  for (const LinkState& link : kernel_.network.marked_links()) {
    if (!uid_is_of(link.mark, places_.instance) || catalog_.find_uid(link.mark)) continue;
    log_.warning("removing a link nobody owns", {{"link", link.name}});
    quietly("cannot remove a link", link.name, [&] { kernel_.network.delete_link(link.name, link.mark); });
  }
  collect_groups();
  collect_files();
}

// Groups of containers that do not run: their processes belong to a launch that was cut off.
void Recovery::collect_groups() {
  std::set<std::string> wanted;
  for (const EntryPtr& container : catalog_.all(Kind::container))
    if (container->runtime.alive()) wanted.insert(container_group(container->resource.name, container->resource.uid));
  for (const EntryPtr& cgroup : catalog_.all(Kind::cgroup)) wanted.insert(cgroup_directory(cgroup->resource.name));
  for (const std::string& group : kernel_.cgroups.groups()) {
    if (is_launcher_group(group) || wanted.count(group) != 0) continue;
    // Without a dot it was no container's: who is in it was put there from outside, and is not ours to kill.
    const bool container = group.find('.') != std::string::npos;
    quietly("cannot remove a group", group, [&] {
      if (container) kernel_.cgroups.kill(group);
      kernel_.cgroups.remove(group);
    });
  }
}

void Recovery::collect_files() {
  for (const std::string& uid : kernel_.launcher.known()) {
    const EntryPtr container = catalog_.find_uid(uid);
    if (!container || !container->runtime.alive()) quietly("cannot forget", uid, [&] { kernel_.launcher.forget(uid); });
  }
  const std::string containers = places_.state_dir + "/containers";
  for (const std::string& uid : kernel_.roots.directories(containers))
    if (!catalog_.find_uid(uid)) quietly("cannot remove files", uid, [&] { kernel_.roots.remove(containers + "/" + uid); });
  std::error_code error;
  for (const auto& left : std::filesystem::directory_iterator(places_.state_dir + "/uploads", error))
    std::filesystem::remove(left.path(), error);
  quietly("cannot remove layers", "layers", [&] { layers_.collect(); });
  kernel_.images.collect(images_.digests_in_use());
}

}  // namespace sovirt
