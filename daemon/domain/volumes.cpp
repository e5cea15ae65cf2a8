#include "daemon/domain/volumes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "api/reader.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

void move(const std::string& from, const std::string& to) {
  std::filesystem::create_directories(std::filesystem::path(to).parent_path());
  if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) throw errno_error("rename", from);
}

}  // namespace

std::string Volumes::path(const std::string& uid) const { return places_.state_dir + "/volumes/" + uid; }
std::string Volumes::trash(const std::string& uid) const { return places_.state_dir + "/tmp/remove-" + uid; }

std::string Volumes::path_of(const std::string& name, const std::string& pointer) const {
  const EntryPtr volume = catalog_.find(Kind::volume, name);
  if (volume) return path(volume->resource.uid);
  throw Error{Code::not_found, "there is no volume named " + name}
      .with_fields({{pointer, "not-found", "no such volume"}})
      .with_hint("`sovirtctl volume create` makes one");
}

// Nothing is asked of a volume yet but to be there.
void Volumes::complete(Resource& wanted, const Resource*) const {
  std::vector<FieldError> errors;
  ObjectReader in{wanted.spec, "", errors};
  in.finish();
  throw_if_any(std::move(errors));
  wanted.spec = Json::object();
}

Plan Volumes::plan(const Resource& wanted, const Entry*) const {
  Plan plan;
  const std::string directory = path(wanted.uid);
  if (::access(directory.c_str(), F_OK) != 0) plan.add("volume.create", {{"directory", directory}}, "make the directory of volume " + wanted.name);
  return plan;
}

Plan Volumes::plan_removal(const Resource& volume) const {
  Plan plan;
  plan.add("volume.discard", {{"directory", path(volume.uid)}, {"trash", trash(volume.uid)}}, "remove the files of volume " + volume.name, true);
  return plan;
}

void Volumes::after_removal(const Entry& entry) { kernel_.roots.remove(trash(entry.resource.uid)); }

Json Volumes::status(const Entry& entry) const {
  const std::string directory = path(entry.resource.uid);
  Json users = Json::array();
  for (const EntryPtr& user : catalog_.dependents(entry.resource.uid)) users.push_back(object_ref(user->resource.kind, user->resource.name));
  return {{"state", ::access(directory.c_str(), F_OK) == 0 ? "ready" : "missing"}, {"path", directory}, {"used_by", std::move(users)}};
}

ActionTable Volumes::actions() {
  ActionTable table;
  table["volume.create"] = {[](const Json& args, Scratch&) {
                              std::filesystem::create_directories(text(args, "directory"));
                              // Whoever mounts it decides who may write: as a new file system would be.
                              if (::chmod(text(args, "directory").c_str(), 0755) != 0) throw errno_error("chmod", text(args, "directory"));
                            },
                            [](const Json& args, Scratch&) { ::rmdir(text(args, "directory").c_str()); }};
  table["volume.discard"] = {[](const Json& args, Scratch&) { move(text(args, "directory"), text(args, "trash")); },
                             [](const Json& args, Scratch&) { move(text(args, "trash"), text(args, "directory")); }};
  return table;
}

}  // namespace sovirt
