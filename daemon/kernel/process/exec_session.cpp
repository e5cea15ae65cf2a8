#include "daemon/kernel/process/exec_session.hpp"

#include <sys/socket.h>

#include "daemon/base/error.hpp"
#include "daemon/base/pipe.hpp"
#include "daemon/kernel/exec/exec_pump.hpp"
#include "daemon/kernel/process/memory_file.hpp"
#include "daemon/kernel/process/monitor_client.hpp"

namespace sovirt::process {
namespace {

constexpr std::chrono::seconds kill_patience{15};   // the monitor kills a group first, which may take ten

ExecPump::Streams begin(const unique_fd& connection, const std::string& process_json) {
  Pipe input = make_pipe(), output = make_pipe(), error_output = make_pipe();
  const unique_fd process = memory_file(process_json);
  const int fds[] = {process.get(), input.read.get(), output.write.get(), error_output.write.get()};
  if (!launch::send_message(connection.get(), launch::Type::exec, {}, fds)) throw Error{Code::conflict, "the container has ended"};
  return {std::move(input.write), std::move(output.read), std::move(error_output.read)};
}

ExitStatus answer(const unique_fd& connection, const std::string& command) {
  const auto message = launch::receive_message(connection.get(), -1);
  if (!message) throw Error{Code::conflict, "the container ended while it executed " + command};
  if (message->type == launch::Type::failed) throw exec_error(message->as<launch::Failure>(), command);
  return message->type == launch::Type::exited ? from_wire(message->as<launch::Ended>()) : ExitStatus{};
}

}  // namespace

ExecResult run_exec(unique_fd connection, const std::string& process_json, const ExecRequest& request, std::size_t limit) {
  ExecPump pump{request, limit, kill_patience};
  ExecPump::Streams streams = begin(connection, process_json);
  // The monitor kills all of it when nobody can ask for more, and still tells how it ended.
  const auto kill = [&] { ::shutdown(connection.get(), SHUT_WR); };
  return pump.run(std::move(streams), connection.get(), kill, [&] { return answer(connection, request.command.front()); });
}

}  // namespace sovirt::process
