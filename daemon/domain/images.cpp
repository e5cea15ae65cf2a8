#include "daemon/domain/images.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "api/reader.hpp"
#include "daemon/domain/ids.hpp"

namespace sovirt {

std::string Images::build(const Resource& wanted, const std::string& upload, const Actor& actor) {
  const ImageSpec spec = read_image_spec(wanted.spec);
  const std::string object = object_ref(Kind::image, wanted.name);
  if (const std::string running = operations_.running_on(object); !running.empty())
    throw Error{Code::busy, object + " is being built by operation " + running}
        .with_conflicts({"operation/" + running})
        .with_hint("wait for it, or cancel it with DELETE /v1/operations/" + running);
  if (const auto* source = std::get_if<ContainerSource>(&spec.source)) {
    if (!catalog_.find(Kind::container, source->container))
      throw Error{Code::not_found, "there is no container named " + source->container}.with_fields({{"/source/container", "not-found", "no such container"}});
  }
  kernel_.images.check(spec, upload);
  return operations_.start("image.build", object, actor, [=, this](std::stop_token stop, const auto& progress) {
    const auto remove_upload = [&] {
      std::error_code ignored;
      if (!upload.empty()) std::filesystem::remove(upload, ignored);
    };
    try {
      const BuiltImage built = make(spec, upload, actor, stop, progress);
      remove_upload();
      return commit_built(wanted, built, actor);
    } catch (...) {
      remove_upload();
      throw;
    }
  });
}

BuiltImage Images::make(const ImageSpec& spec, const std::string& upload, const Actor& actor, std::stop_token stop,
                        const std::function<void(Progress)>& progress) {
  if (const auto* source = std::get_if<ContainerSource>(&spec.source)) return publish_(source->container, actor, stop, progress);
  return kernel_.images.build(spec, upload, stop, progress);
}

void Images::adopt(const std::string& name, const Json& spec, const BuiltImage& built, const Actor& actor) {
  check_name(Kind::image, name);
  const std::string ref = object_ref(Kind::image, name);
  if (catalog_.find(Kind::image, name)) throw Error{Code::exists, ref + " exists already, with other content"}.with_conflicts({ref}).with_hint("name another image");
  Resource wanted;
  wanted.kind = Kind::image;
  wanted.name = name;
  wanted.spec = write_image_spec(read_image_spec(spec));
  commit_built(std::move(wanted), built, actor);
}

std::shared_ptr<void> Images::pin(const std::string& digest) {
  {
    const std::lock_guard lock(mutex_);
    pinned_.insert(digest);
  }
  return {nullptr, [this, digest](void*) {
    {
      const std::lock_guard lock(mutex_);
      pinned_.erase(pinned_.find(digest));
    }
    try {
      release(digest);
    } catch (const std::exception&) {
      // Collected at the next start.
    }
  }};
}

Json Images::commit_built(Resource wanted, const BuiltImage& built, const Actor& actor) {
  const auto guard = locks_.lock({object_ref(Kind::image, wanted.name)});
  const EntryPtr before = catalog_.find(Kind::image, wanted.name);
  const std::string old_digest = before ? before->resource.facts.at("digest").get<std::string>() : "";
  Job job;
  wanted.uid = before ? before->resource.uid : new_uid(places_.instance);
  wanted.revision = before ? before->resource.revision + 1 : 1;
  wanted.updated_at = now();
  wanted.created_at = before ? before->resource.created_at : wanted.updated_at;
  wanted.facts = {{"digest", built.digest},       {"directory", built.directory},
                  {"size", built.size},           {"architecture", built.architecture},
                  {"os", built.os},               {"built_at", rfc3339(wanted.updated_at)}};
  job.object = object_ref(Kind::image, wanted.name);
  job.uid = wanted.uid;
  job.commit.actor = actor;
  job.commit.expected_revision = before ? before->resource.revision : 0;
  job.commit.events.push_back({0, now(), before ? "updated" : "created", "image", wanted.name, wanted.uid,
                               Json{{"digest", built.digest}}, actor.request_id});
  job.commit.put = std::move(wanted);
  executor_.run(job);
  if (!old_digest.empty() && old_digest != built.digest) release(old_digest);
  const EntryPtr entry = catalog_.need(Kind::image, job.commit.put->name);
  return write_resource(entry->resource, status(*entry));
}

void Images::complete(Resource& wanted, const Resource* before) const {
  wanted.spec = write_image_spec(read_image_spec(wanted.spec));
  wanted.facts = before ? before->facts : Json::object();
}

// One transaction, and nothing for the journal: its tree goes with its last user, see release().
Plan Images::plan_removal(const Resource&) const { return {}; }

void Images::after_removal(const Entry& entry) { release(entry.resource.facts.at("digest").get<std::string>()); }

Json Images::status(const Entry& entry) const {
  Json used_by = Json::array();
  for (const EntryPtr& user : catalog_.dependents(entry.resource.uid))
    used_by.push_back(object_ref(user->resource.kind, user->resource.name));
  const Json& facts = entry.resource.facts;
  return {{"state", "ready"},
          {"digest", facts.at("digest")},
          {"size", facts.at("size")},
          {"architecture", facts.at("architecture")},
          {"os", facts.at("os")},
          {"built_at", facts.at("built_at")},
          {"used_by", std::move(used_by)}};
}

Json Images::templates() const {
  std::vector<Json> found;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(places_.templates, error)) {
    if (file.path().extension() != ".json") continue;
    std::ifstream in(file.path());
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    Json document = parse_json(text);
    if (!document.contains("name")) document["name"] = file.path().stem().string();
    found.push_back(std::move(document));
  }
  std::sort(found.begin(), found.end(), [](const Json& a, const Json& b) { return a.at("name") < b.at("name"); });
  return {{"items", std::move(found)}};
}

std::vector<std::string> Images::digests_in_use() const {
  std::vector<std::string> digests;
  for (const EntryPtr& image : catalog_.all(Kind::image)) digests.push_back(image->resource.facts.at("digest").get<std::string>());
  for (const EntryPtr& container : catalog_.all(Kind::container))
    digests.push_back(container->resource.facts.at("image_digest").get<std::string>());
  const std::lock_guard lock(mutex_);
  digests.insert(digests.end(), pinned_.begin(), pinned_.end());
  return digests;
}

void Images::release(const std::string& digest) {
  const auto used = digests_in_use();
  if (std::find(used.begin(), used.end(), digest) == used.end()) kernel_.images.remove(digest);
}

}  // namespace sovirt
