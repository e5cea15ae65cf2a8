#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/tar_program.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

constexpr const char* tar_type = "application/x-tar";
constexpr const char* bytes_type = "application/octet-stream";

// "web:/etc/hosts"
struct Place {
  std::string container, path;
  bool into = false;   // ends in a slash: a directory to put things into
};

Place place_of(const std::string& word) {
  const auto colon = word.find(':');
  if (colon == std::string::npos || colon == 0)
    throw UsageError("\"" + word + "\" is not CONTAINER:PATH", "for example: sovirtctl pull sodebian:/etc/hosts");
  Place place{word.substr(0, colon), word.substr(colon + 1), false};
  if (!place.path.starts_with('/')) throw UsageError("the path in \"" + word + "\" must be absolute, such as " + place.container + ":/root/file");
  place.into = place.path.ends_with('/');
  while (place.path.size() > 1 && place.path.ends_with('/')) place.path.pop_back();
  return place;
}

std::string target_of(const Place& place, client::Query more = {}) {
  more.insert(more.begin(), {"path", place.path});
  return client::with_query(client::path_of({"v1", "containers", place.container, "files"}), more);
}

std::string base_of(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

Place below(const Place& place, const std::string& name) {
  return {place.container, (place.path == "/" ? "" : place.path) + "/" + name, false};
}

// What is there, or null. Asked as JSON, a file answers what it is instead of its bytes.
Json facts_at(Session& session, const Place& place) {
  return session.look_up(target_of(place, {}), "looking at " + place.container + ":" + place.path);
}

struct PushOptions {
  std::vector<std::string> words;
  std::optional<std::string> mode, uid, gid;
  bool parents = false;
};

client::Headers attributes_of(const PushOptions& options, const std::optional<std::string>& own_mode) {
  client::Headers headers;
  if (options.mode || own_mode) headers.emplace_back("X-Sovirt-Mode", options.mode ? *options.mode : *own_mode);
  if (options.uid) headers.emplace_back("X-Sovirt-Uid", *options.uid);
  if (options.gid) headers.emplace_back("X-Sovirt-Gid", *options.gid);
  return headers;
}

void push_bytes(Session& session, const PushOptions& options, int source, const std::string& name, const Place& to) {
  struct stat facts {};
  if (::fstat(source, &facts) != 0) throw errno_error("fstat", name);
  const bool file = S_ISREG(facts.st_mode) && ::lseek(source, 0, SEEK_CUR) == 0;
  char mode[8];
  std::snprintf(mode, sizeof mode, "%04o", facts.st_mode & 0777U);
  const auto size = file ? std::optional{static_cast<std::uint64_t>(facts.st_size)} : std::nullopt;
  session.send_bytes(target_of(to, options.parents ? client::Query{{"parents", "true"}} : client::Query{}), source, size, name, bytes_type,
                     attributes_of(options, file && name != "-" ? std::optional<std::string>{mode} : std::nullopt), "sending " + name);
  session.show_done(to.container + ":" + to.path, "written");
}

void push_directory(Session& session, const PushOptions& options, const std::string& from, const Place& to) {
  if (options.mode) throw UsageError("--mode is for files: those of a directory keep theirs");
  TarProgram tar(TarProgram::Pipe::output, {"-C", from, "--numeric-owner", "--owner=" + options.uid.value_or("0"),
                                            "--group=" + options.gid.value_or("0"), "-cf", "-", "."});
  session.send_bytes(target_of(to, {{"parents", "true"}}), tar.fd(), std::nullopt, "-", tar_type, {}, "sending " + from);
  tar.finish();
  session.show_done(to.container + ":" + to.path, "written");
}

int push(Session& session, PushOptions options) {
  if (options.words.size() < 2) throw UsageError("what to push and where to are needed", "for example: sovirtctl push ./site.conf sodebian:/etc/site.conf");
  const Place place = place_of(options.words.back());
  options.words.pop_back();
  const Json there = facts_at(session, place);
  const bool into = place.into || text(there, "/type") == "directory";
  if (!into && options.words.size() > 1) throw UsageError(place.path + " is not a directory: it takes one file");
  for (const std::string& from : options.words) {
    if (from == "-") {
      if (into) throw UsageError(place.path + " is a directory: name the file that standard input goes to");
      push_bytes(session, options, STDIN_FILENO, "-", place);
      continue;
    }
    const unique_fd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat facts {};
    if (!source || ::fstat(source.get(), &facts) != 0) throw errno_error("open", from);
    const Place to = into ? below(place, base_of(from)) : place;
    if (S_ISDIR(facts.st_mode)) push_directory(session, options, from, base_of(from) == "." ? place : to);
    else push_bytes(session, options, source.get(), from, to);
  }
  return 0;
}

void write_all(int fd, std::string_view bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw errno_error("write", name);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

// Under another name until it is whole, so that what was there before is kept when the transfer breaks off.
void pull_file(Session& session, const Place& from, const Json& facts, const std::string& to) {
  std::string name = to + ".sovirt-XXXXXX";
  const unique_fd file(::mkostemp(name.data(), O_CLOEXEC));
  if (!file) throw errno_error("open", to);
  try {
    const std::uint64_t size = at(facts, "/size").is_number_unsigned() ? at(facts, "/size").get<std::uint64_t>() : 0;
    session.receive_bytes(target_of(from), bytes_type, size, [&](std::string_view bytes) { write_all(file.get(), bytes, to); },
                          "receiving " + from.container + ":" + from.path);
    // Whoever pulls owns it; a set-id bit of the container's would mean something else here.
    const auto mode = static_cast<mode_t>(std::strtoul(text(facts, "/mode").c_str(), nullptr, 8) & 0777U);
    if (::fchmod(file.get(), mode) != 0) throw errno_error("fchmod", to);
    if (::rename(name.c_str(), to.c_str()) != 0) throw errno_error("rename", to);
  } catch (...) {
    ::unlink(name.c_str());
    throw;
  }
}

void pull_directory(Session& session, const Place& from, const std::string& to) {
  if (::mkdir(to.c_str(), 0777) != 0 && errno != EEXIST) throw errno_error("mkdir", to);
  TarProgram tar(TarProgram::Pipe::input, {"-C", to, "--no-same-owner", "-xf", "-"});
  session.receive_bytes(target_of(from), tar_type, 0, [&](std::string_view bytes) { tar.write(bytes); },
                        "receiving " + from.container + ":" + from.path);
  tar.finish();
}

int pull(Session& session, std::vector<std::string> words) {
  const std::string to = words.size() > 1 ? words.back() : ".";
  if (words.size() > 1) words.pop_back();
  struct stat there {};
  const bool into = to != "-" && ::stat(to.c_str(), &there) == 0 && S_ISDIR(there.st_mode);
  if (words.size() > 1 && !into) throw UsageError(to + " is not a directory: it takes one file");
  for (const std::string& word : words) {
    const Place from = place_of(word);
    const Json facts = facts_at(session, from);
    if (facts.is_null()) throw Error(Code::not_found, word + " does not exist");
    const bool directory = text(facts, "/type") == "directory";
    if (to == "-") {
      session.receive_bytes(target_of(from), directory ? tar_type : bytes_type, 0, [&](std::string_view bytes) { session.print(bytes); }, "receiving " + word);
      if (std::fflush(stdout) != 0) throw errno_error("write", "standard output");
      continue;
    }
    const std::string local = into ? to + "/" + (from.path == "/" ? from.container : base_of(from.path)) : to;
    if (directory) pull_directory(session, from, local);
    else pull_file(session, from, facts, local);
    session.show_done(local, "written");
  }
  return 0;
}

std::vector<Column> entry_columns() {
  return {{"NAME", [](const Json& r) { return Cell(printable(text(r, "/name")) + (text(r, "/type") == "directory" ? "/" : "")); }},
          {"TYPE", [](const Json& r) { return Cell(text(r, "/type")); }},
          {"MODE", [](const Json& r) { return Cell(text(r, "/mode")); }},
          {"OWNER", [](const Json& r) { return Cell(text(r, "/uid") + ":" + text(r, "/gid")); }},
          {"SIZE", [](const Json& r) { return Cell(at(r, "/size").is_number_unsigned() ? size_text(at(r, "/size").get<std::uint64_t>()) : ""); }, 0, 10, true},
          {"MODIFIED", [](const Json& r) { return Cell(moment(at(r, "/modified"))); }},
          {"TARGET", [](const Json& r) { return Cell(printable(text(r, "/target"))); }, 0, 3}};
}

}  // namespace

void make_container_push(Command& command) {
  auto options = std::make_shared<PushOptions>();
  command.positionals("LOCAL… CONTAINER:PATH", "files and directories here, - for standard input; then where they go", options->words, Names::files);
  command.option("--mode", "OCTAL", "permissions of the file, such as 0644 (default: as here, or as what is replaced)", options->mode);
  command.option("--uid", "UID", "owner (default 0, or as what is replaced)", options->uid);
  command.option("--gid", "GID", "group (default 0, or as what is replaced)", options->gid);
  command.flag("-p,--parents", "make the directories that are missing on the way", options->parents);
  command.about("A file appears whole or not at all. A directory goes into PATH if that is there, and becomes PATH if it is not.");
  command.example("sovirtctl push script.sh sodebian:/root/");
  command.example("date | sovirtctl push - sodebian:/etc/motd");
  command.runs([options](Session& session) { return push(session, *options); });
}

void make_container_pull(Command& command) {
  auto words = std::make_shared<std::vector<std::string>>();
  command.positionals("CONTAINER:PATH… [LOCAL]", "what to get; then where it goes here, - for standard output (default: this directory)", *words, Names::files);
  command.about("A directory on standard output is a tar archive. What other file systems are mounted below a directory is left out.");
  command.example("sovirtctl pull sodebian:/etc/hosts");
  command.example("sovirtctl pull sodebian:/var/log - > log.tar");
  command.runs([words](Session& session) { return pull(session, *words); });
}

void add_container_file(Command& container) {
  Command& file = container.command("file", "look at and remove files of a container");
  file.example("sovirtctl container file ls sodebian:/etc");
  auto listed = std::make_shared<std::string>();
  Command& ls = file.command("ls", "list a directory of a container, or show one file");
  ls.positional("CONTAINER:PATH", "what to list", *listed);
  ls.example("sovirtctl container file ls sodebian:/etc");
  ls.runs([listed](Session& session) {
    const Place place = place_of(*listed);
    Json facts = session.get(target_of(place));
    const bool directory = at(facts, "/items").is_array();
    if (directory && at(facts, "/next").is_string()) facts = session.get_all(target_of(place));
    session.show_list(directory ? facts : Json{{"items", Json::array({facts})}}, entry_columns(), place.path + " is empty.");
    return 0;
  });
  struct Removed { std::vector<std::string> words; bool recursive = false; };
  auto removed = std::make_shared<Removed>();
  Command& rm = file.command("rm", "remove files of a container");
  rm.positionals("CONTAINER:PATH", "what to remove", removed->words);
  rm.flag("-r,--recursive", "directories with all that is in them", removed->recursive);
  rm.example("sovirtctl container file rm sodebian:/tmp/core");
  rm.runs([removed](Session& session) {
    return for_each_name(session, removed->words, [&](const std::string& word) {
      const client::Query more = removed->recursive ? client::Query{{"recursive", "true"}} : client::Query{};
      session.act("DELETE", target_of(place_of(word), more), nullptr, "removing " + word);
      session.show_done(word, "removed");
    });
  });
}

}  // namespace sovirt::ctl
