#include "daemon/domain/exports.hpp"

#include "daemon/domain/free_addresses.hpp"

namespace sovirt {
namespace {

Json write_result(const std::string& path, const WrittenArchive& archive) {
  return {{"path", path}, {"size", archive.size}, {"digest", archive.digest}};
}

}  // namespace

ChangeResult Exports::begin(const char* kind, const std::string& object, const ChangeContext& context, Operations::Work work) {
  if (context.dry_run) return {show_plan({}, object, kind), 0, false, ""};
  if (const std::string running = parts_.operations.running_on(object); !running.empty())
    throw Error{Code::busy, object + " is at work in operation " + running}.with_conflicts({"operation/" + running});
  ChangeResult result;
  result.operation = parts_.operations.start(kind, object, context.actor, std::move(work));
  result.body = write_operation(parts_.operations.get(result.operation));
  return result;
}

ChangeResult Exports::write_container(std::string_view name, const std::string& path, const ChangeContext& context) {
  const EntryPtr entry = parts_.catalog.need(Kind::container, name);
  return begin("container.export", object_ref(Kind::container, name), context,
               [=, this, uid = entry->resource.uid, actor = context.actor](std::stop_token stop, const auto& progress) {
                 const Copies::Held held = parts_.copies.hold(uid, actor, stop, progress);
                 return write_result(path, parts_.kernel.archives.write(held.root.get(), write_container_document(held.container), path, actor.uid, stop, progress));
               });
}

ChangeResult Exports::write_image(std::string_view name, const std::string& path, const ChangeContext& context) {
  const EntryPtr entry = parts_.catalog.need(Kind::image, name);
  return begin("image.export", object_ref(Kind::image, name), context,
               [=, this, facts = entry->resource.facts, actor = context.actor](std::stop_token stop, const auto& progress) {
                 const auto pin = parts_.images.pin(facts.at("digest").template get<std::string>());
                 const unique_fd root = parts_.kernel.roots.mount({facts.at("directory").template get<std::string>(), "", {}});
                 return write_result(path, parts_.kernel.archives.write(root.get(), "", path, actor.uid, stop, progress));
               });
}

BuiltImage Exports::publish(const std::string& container, const Actor& actor, std::stop_token stop, const std::function<void(Progress)>& progress) {
  const EntryPtr entry = parts_.catalog.need(Kind::container, container);
  const Copies::Held held = parts_.copies.hold(entry->resource.uid, actor, stop, progress);
  return parts_.kernel.archives.publish(held.root.get(), stop, progress);
}

ChangeResult Exports::read_container(std::string_view name, const ImportRequest& request, const ChangeContext& context) {
  check_name(Kind::container, name);
  const std::string ref = object_ref(Kind::container, name);
  if (parts_.catalog.find(Kind::container, name)) throw Error{Code::exists, ref + " exists already"}.with_conflicts({ref});
  const ContainerDocument document = read_container_document(parts_.kernel.archives.document(request.path));
  for (const NicSpec& nic : read_container_spec(document.spec).nics)
    if (nic.bridge && !parts_.catalog.find(Kind::bridge, *nic.bridge))
      throw Error{Code::not_found, "there is no bridge named " + *nic.bridge + ", which the container's " + nic.name + " is plugged into"}.with_hint(
          "create it first");
  return begin("container.import", ref, context,
               [=, this, wanted = std::string{name}](std::stop_token stop, const auto& progress) { return import(wanted, request, document, context, stop, progress); });
}

// The tree becomes an image, unless there is one of the same content, and the container is made of it like any other.
Json Exports::import(const std::string& name, const ImportRequest& request, const ContainerDocument& document, const ChangeContext& context,
                     std::stop_token stop, const std::function<void(Progress)>& progress) {
  const BuiltImage built = parts_.kernel.archives.read(request.path, request.digest, stop, progress);
  const auto pin = parts_.images.pin(built.digest);
  ContainerSpec spec = read_container_spec(document.spec);
  spec.image.clear();
  for (const EntryPtr& image : parts_.catalog.all(Kind::image))
    if (image->resource.facts.at("digest") == built.digest) spec.image = image->resource.name;
  const bool made = spec.image.empty();
  if (made) {
    spec.image = request.image.empty() ? name : request.image;
    parts_.images.adopt(spec.image, {{"source", {{"type", "container"}, {"container", name}}}}, built, context.actor);
  }
  if (request.regenerate) take_free_addresses(spec, parts_.catalog);
  ChangeContext create;
  create.actor = context.actor;
  create.create_only = true;
  try {
    return parts_.service.put(Kind::container, name, {name, document.labels, write_container_spec(spec)}, create).body;
  } catch (...) {
    create.create_only = false;
    if (made) parts_.service.remove(Kind::image, spec.image, create);
    throw;
  }
}

}  // namespace sovirt
