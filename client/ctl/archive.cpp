#include <filesystem>
#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

namespace {

struct ArchiveOptions {
  std::string name, file;
  std::optional<std::string> digest, image, identity;
};

// The daemon opens the file, and knows nothing of where this program was started.
std::string absolute(const std::string& file) { return std::filesystem::absolute(file).lexically_normal().string(); }

}  // namespace

void make_export(Command& command, const std::string& kind, const std::string& plural, Names names) {
  auto options = std::make_shared<ArchiveOptions>();
  command.positional("NAME", "name of the " + kind, options->name, names);
  command.positional("FILE", "where to write it on the host; nothing may be there yet", options->file, Names::files);
  command.about(kind == "image" ? "Writes a tar archive packed by zstd, of which 'image build --tarball' makes the same image."
                                : "Writes a tar archive packed by zstd: its configuration and its files, as they are at one moment, without snapshots.");
  command.example("sovirtctl " + kind + " export " + (kind == "image" ? "debian debian.tar.zst" : "sodebian sodebian.tar.zst"));
  command.runs([options, kind, plural](Session& session) {
    const std::string doing = "exporting " + options->name;
    const auto answer = session.change("POST", client::path_of({"v1", plural, options->name, "export"}), Json{{"path", absolute(options->file)}}, doing);
    if (!answer) return 0;
    const Json written = at(session.follow_operation(text(answer->body, "/id"), doing), "/result");
    session.show_done(kind + "/" + options->name, "is in " + text(written, "/path") + ": " + size_text(at(written, "/size")) + ", " + text(written, "/digest"), written);
    return 0;
  });
}

void make_container_import(Command& command) {
  auto options = std::make_shared<ArchiveOptions>();
  command.positional("NAME", "name of the container to make", options->name);
  command.positional("FILE", "an exported container on the host", options->file, Names::files);
  command.option("--digest", "sha256:HEX", "refuse another file than this", options->digest);
  command.option("--image", "IMAGE", "name of the image that its files become (default: the container's)", options->image);
  command.option("--identity", "HOW", "what becomes of a fixed address that is held: fail (default) or regenerate", options->identity).among({"fail", "regenerate"});
  command.about("Its files become an image, unless there is one of the same content, and the container is made of that.");
  command.example("sovirtctl container import web sodebian.tar.zst");
  command.runs([options](Session& session) {
    Json body{{"path", absolute(options->file)}};
    if (options->digest) body["digest"] = *options->digest;
    if (options->image) body["image"] = *options->image;
    if (options->identity) body["identity"] = *options->identity;
    const std::string doing = "importing " + options->name;
    const auto answer = session.change("POST", client::path_of({"v1", "containers", options->name, "import"}), body, doing);
    if (!answer) return 0;
    const Json made = at(session.follow_operation(text(answer->body, "/id"), doing), "/result");
    session.show_done("container/" + options->name, "imported", made);
    return 0;
  });
}

}  // namespace sovirt::ctl
