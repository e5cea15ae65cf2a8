#pragma once
#include "client/ctl/command.hpp"

namespace sovirt::ctl {

// Each adds the commands of one noun to the root.
void add_bridge(Command& root);
void add_container(Command& root);
void add_netns(Command& root);
void add_link(Command& root);
void add_probe(Command& root);
void add_address(Command& root);
void add_image(Command& root);
void add_snapshot(Command& root);
void add_cgroup(Command& root);
void add_top(Command& root);
void add_volume(Command& root);
void add_template(Command& root);
void add_operation(Command& root);
void add_event(Command& root);
void add_host(Command& root);
void add_restore(Command& root);
void add_audit(Command& root);
void add_short_forms(Command& root);  // what people type all day: after all others

// Parts of the container noun, also used for its short forms.
void make_container_ls(Command&);
void make_container_show(Command&);
void make_container_state(Command&, const std::string& verb);  // start, stop, freeze, thaw
void make_container_restart(Command&);
void make_container_exec(Command&);
void make_container_console(Command&);
void make_container_processes(Command&);
void make_container_passwd(Command&);
void make_container_log(Command&);
void make_container_rm(Command&);
void make_container_push(Command&);
void make_container_pull(Command&);
void add_container_file(Command& container);
void add_container_nic(Command& container);
void make_container_create(Command&);
void make_container_set(Command&);
void make_container_kill(Command&);
void make_container_copy(Command&);
void make_container_rename(Command&);
void make_container_import(Command&);
void make_event_watch(Command&);
void make_host_check(Command&);

// What is the same for bridges, containers and images. `plural` is the path segment.
struct ListFilter {
  std::optional<std::string> name, state;
  std::vector<std::string> labels;
};
void add_filter_options(Command&, ListFilter&, bool with_state);
std::string list_target(const std::string& plural, const ListFilter&);
void make_history(Command&, const std::string& kind, const std::string& plural, Names);
void make_revert(Command&, const std::string& kind, const std::string& plural, Names);
void make_stats(Command&, const std::string& kind, const std::string& plural, Names);
void make_export(Command&, const std::string& kind, const std::string& plural, Names);
void make_rm(Command&, const std::string& kind, const std::string& plural, Names);

}  // namespace sovirt::ctl
