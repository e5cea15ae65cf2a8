#include "client/ctl/image.hpp"

#include <algorithm>
#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

const std::string none_yet = "No images. Build one with: sovirtctl image build debian --template debian";

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      text_column("NAME", "/name"),
      {"STATE", [](const Json& i) { return state_cell(at(i, "/status/state")); }},
      {"SOURCE", [](const Json& i) { return Cell(text(i, "/spec/source/type")); }, 0, 5},
      {"OS", [](const Json& i) { return Cell(text(i, "/status/os")); }, 12, 6},
      {"ARCH", [](const Json& i) { return Cell(text(i, "/status/architecture")); }, 0, 4},
      {"SIZE", [](const Json& i) { return Cell(size_text(at(i, "/status/size"))); }, 0, 8, true},
      {"USED BY", [](const Json& i) { return Cell(text(i, "/status/used_by")); }, 10, 7},
      {"BUILT", [](const Json& i) { return Cell(age(at(i, "/status/built_at"))); }, 0, 5, true},
      {"DIGEST", [](const Json& i) { return Cell(text(i, "/status/digest")); }, 0, 1, false, true}};
  return all;
}

void fill_page(Page& page, const Json& image) {
  page.title(ref_of(image), state_cell(at(image, "/status/state")));
  page.section("Image");
  page.field("os", text(image, "/status/os"));
  page.field("architecture", text(image, "/status/architecture"));
  page.field("size", size_text(at(image, "/status/size")));
  page.field("digest", text(image, "/status/digest"));
  page.field("built", moment(at(image, "/status/built_at")));
  page.field("used by", text(image, "/status/used_by"));
  page.section("Source");
  const Json& source = at(image, "/spec/source");
  page.field("type", text(source, "/type"));
  if (source.is_object())
    for (const auto& [key, value] : source.items())
      if (key != "type") page.field(key, text(value));
  page.conditions(image);
  page.origin(image);
}

std::string id_of(const client::Answer& answer) {
  const std::size_t slash = answer.location.rfind('/');
  return slash == std::string::npos ? text(answer.body, "/id") : answer.location.substr(slash + 1);
}

Json template_source(Session& session, const std::string& name) {
  const Json list = session.get("/v1/templates");
  std::string known;
  for (const Json& item : at(list, "/items")) {
    if (text(item, "/name") == name) return at(item, "/source").is_object() ? at(item, "/source") : at(item, "/spec/source");
    known += (known.empty() ? "" : ", ") + text(item, "/name");
  }
  throw Error(Code::not_found, "there is no template " + name).with_hint(known.empty() ? "the daemon has no templates" : "there are: " + known);
}

Json build_body(Session& session, const ImageOptions& options) {
  Json body{{"source", image_source(options, options.template_name ? template_source(session, *options.template_name) : Json())}};
  if (!options.labels.empty()) body["labels"] = labels_of(options.labels);
  return body;
}

int finish_build(Session& session, const ImageOptions& options, const client::Answer& answer) {
  const std::string ref = "image/" + options.name;
  if (answer.status != 202) {
    session.show_done(ref, answer.status == 201 ? "built" : "is there already", answer.body);
    return 0;
  }
  if (options.detach) {
    session.show_done(ref, "is being built by operation " + id_of(answer), answer.body);
    return 0;
  }
  const Json operation = session.follow_operation(id_of(answer), "building image " + options.name);
  Json image = at(operation, "/result");
  if (!image.is_object() || session.globals().format == Format::json || session.globals().format == Format::yaml)
    image = session.get(client::path_of({"v1", "images", options.name}));
  const std::string os = text(image, "/status/os");
  session.show_done(ref, "built: " + (os.empty() || os == "unknown" ? "" : os + ", ") + size_text(at(image, "/status/size")), image);
  return 0;
}

int build(Session& session, const ImageOptions& options) {
  std::optional<client::Answer> answer;
  if (options.tarball) {
    image_source(options, Json());  // refuses what does not go together
    const std::string target = client::path_of({"v1", "images", options.name, "content"});
    answer = session.upload(target, *options.tarball, "sending " + *options.tarball);
  } else {
    answer = session.change("PUT", client::path_of({"v1", "images", options.name}), build_body(session, options), "asking for image " + options.name);
  }
  return answer ? finish_build(session, options, *answer) : 0;
}

void make_build(Command& command) {
  auto options = std::make_shared<ImageOptions>();
  command.alias("create");
  command.positional("NAME", "its name", options->name);
  command.option("--template", "TEMPLATE", "a named source with its defaults, see 'sovirtctl template ls'", options->template_name).of(Names::templates);
  command.option("--suite,--debootstrap", "SUITE", "a Debian suite such as stable or bookworm, installed by debootstrap", options->suite);
  command.option("--mirror", "URL", "where debootstrap gets packages (default: as the host's apt)", options->mirror);
  command.option("--variant", "VARIANT", "debootstrap's variant (default minbase)", options->variant).among({"minbase", "buildd", "standard"});
  command.option("--package", "PACKAGE", "install this too; may be repeated", options->packages);
  command.option("--tarball", "FILE", "a tar archive of a root file system here, sent to the daemon (gzip, xz, zstd or plain)", options->tarball).of(Names::files);
  command.option("--path", "FILE", "the same, but read by the daemon where it is on the host", options->path).of(Names::files);
  command.option("--digest", "sha256:HEX", "refuse another content than this, with --path", options->digest);
  command.option("--binary", "PATH", "a program of the host, with the libraries it needs; may be repeated", options->binaries).of(Names::files);
  command.option("--file", "PATH", "another file of the host, as it is, with --binary; may be repeated", options->files).of(Names::files);
  command.option("--container", "NAME", "the files of this container, as they are now", options->container).of(Names::containers);
  command.option("-l,--label", "KEY=VALUE", "a label; may be repeated", options->labels);
  command.flag("--detach", "do not wait for the end of the build", options->detach);
  command.about("Names one source: --template, --suite, --tarball, --path, --binary or --container.");
  command.example("sovirtctl image build debian --template debian");
  command.example("sovirtctl image build web --container sodebian");
  command.example("sovirtctl image build shell --binary /bin/bash --binary /bin/ls");
  command.runs([options](Session& session) { return build(session, *options); });
}

void make_ls(Command& command) {
  auto filter = std::make_shared<ListFilter>();
  command.alias("list").example("sovirtctl image ls");
  add_filter_options(command, *filter, false);
  command.runs([filter](Session& session) {
    session.show_list(session.get_all(list_target("images", *filter)), columns(), none_yet);
    return 0;
  });
}

void make_show(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the image", *name, Names::images);
  command.example("sovirtctl image show debian");
  command.runs([name](Session& session) {
    const Json image = session.get(client::path_of({"v1", "images", *name}));
    session.show_page(image, [&](Page& page) { fill_page(page, image); });
    return 0;
  });
}

void make_cancel(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the image that is being built", *name);
  command.example("sovirtctl image cancel debian");
  command.runs([name](Session& session) {
    const Json running = session.get_all("/v1/operations?state=running");
    for (const Json& operation : at(running, "/items")) {
      if (text(operation, "/object") != "image/" + *name) continue;
      const std::string id = text(operation, "/id");
      session.act("DELETE", client::path_of({"v1", "operations", id}), nullptr, "cancelling the build of " + *name);
      session.show_done("operation/" + id, "cancelled: image/" + *name + " is not built");
      return 0;
    }
    throw Error(Code::not_found, "no build of image " + *name + " is running").with_hint("'sovirtctl operation ls' lists what is going on");
  });
}

}  // namespace

Json image_source(const ImageOptions& options, const Json& defaults) {
  const bool packages = options.suite || options.template_name;
  const int kinds = int(options.container.has_value()) + int(packages) + int(options.tarball.has_value()) + int(options.path.has_value()) + int(!options.binaries.empty());
  if (kinds != 1)
    throw UsageError(kinds == 0 ? "no source is named" : "more than one source is named", "name one of --template, --suite, --tarball, --path, --binary, --container");
  const auto only_with = [](bool used, bool fits, const char* option, const char* with) {
    if (used && !fits) throw UsageError(std::string(option) + " goes with " + with + " only");
  };
  only_with(options.mirror || options.variant || !options.packages.empty(), packages, "--mirror, --variant and --package", "--template or --suite");
  only_with(options.digest.has_value(), options.path.has_value(), "--digest", "--path");
  only_with(!options.files.empty(), !options.binaries.empty(), "--file", "--binary");
  only_with(!options.labels.empty(), !options.tarball, "--label", "another source than --tarball");
  Json source = defaults.is_object() ? defaults : Json::object();
  if (options.suite && !source.contains("type")) source["type"] = "debootstrap";
  if (options.suite) source["suite"] = *options.suite;
  if (options.mirror) source["mirror"] = *options.mirror;
  if (options.variant) source["variant"] = *options.variant;
  for (const std::string& package : options.packages) source["packages"].push_back(package);
  if (options.tarball || options.path) source["type"] = "tarball";
  if (options.path) source["path"] = *options.path;
  if (options.digest) source["digest"] = *options.digest;
  if (!options.binaries.empty()) source = {{"type", "binaries"}, {"binaries", options.binaries}, {"files", options.files}};
  if (options.container) source = {{"type", "container"}, {"container", *options.container}};
  return source;
}

void add_image(Command& root) {
  Command& image = root.command("image", "images that containers are made of").alias("images");
  make_ls(image.command("ls", "list the images"));
  make_show(image.command("show", "show one image: content, source, users").alias("get"));
  make_build(image.command("build", "build an image from packages, an archive or programs of the host"));
  make_rm(image.command("rm", "delete images").example("sovirtctl image rm debian"), "image", "images", Names::images);
  make_export(image.command("export", "write an image to a file"), "image", "images", Names::images);
  make_cancel(image.command("cancel", "cancel the build of an image"));
}

}  // namespace sovirt::ctl
