#include "client/ctl/nouns.hpp"

namespace sovirt::ctl {

void add_short_forms(Command& root) {
  make_container_ls(root.command("ls", "list the containers (container ls)"));
  make_container_show(root.command("show", "show a container (container show)"));
  make_container_state(root.command("start", "start containers (container start)"), "start");
  make_container_state(root.command("stop", "shut containers down (container stop)"), "stop");
  make_container_restart(root.command("restart", "restart containers (container restart)"));
  make_container_state(root.command("freeze", "suspend containers (container freeze)"), "freeze");
  make_container_state(root.command("thaw", "let frozen containers go on (container thaw)"), "thaw");
  make_container_exec(root.command("exec", "run a command in a container (container exec)"));
  make_container_console(root.command("console", "sit at a container's console (container console)"));
  make_container_processes(root.command("ps", "list what runs in a container (container processes)"));
  make_container_passwd(root.command("passwd", "set a password inside a container (container passwd)"));
  make_container_log(root.command("logs", "print a container's log (container log)"));
  make_container_copy(root.command("copy", "copy a container (container copy)"));
  make_container_rename(root.command("rename", "rename a container (container rename)"));
  make_container_rm(root.command("rm", "delete containers (container rm)"));
  make_container_push(root.command("push", "put files into a container (container push)"));
  make_container_pull(root.command("pull", "get files out of a container (container pull)"));
  make_event_watch(root.command("events", "print events as they happen (event watch)"));
  make_host_check(root.command("check", "what containers need of this host (host check)"));
}

}  // namespace sovirt::ctl
