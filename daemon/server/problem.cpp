#include "daemon/server/problem.hpp"

#include <nlohmann/json.hpp>

#include "api/problem.hpp"
#include "daemon/base/log.hpp"

namespace sovirt {
namespace {

constexpr const char* media_type = "application/problem+json";

// Titles of the statuses that no Code has. Their code is that of RFC 9110's name for them.
struct Extra {
  int status;
  const char* code;
  const char* title;
};
constexpr Extra extras[] = {{408, "request-timeout", "The request did not come in time"},
                            {417, "expectation-failed", "Expectation failed"},
                            {426, "upgrade-required", "A WebSocket is needed"}};

Reply reply_of(const Error& error, int status, const Request& request) {
  Json document = write_problem(error, request.target, request.id);
  Reply reply;
  reply.status = status;
  reply.code = code_text(error.code());
  for (const auto& extra : extras) {
    if (extra.status != status) continue;
    reply.code = extra.code;
    document["status"] = status;
    document["code"] = extra.code;
    document["title"] = extra.title;
    document["type"] = std::string{"urn:sovirt:problem:"} + extra.code;
  }
  reply.content_type = media_type;
  reply.body = to_text(document);
  reply.detail = error.detail();
  if (status == 503) reply.headers.push_back({"Retry-After", "1"});
  return reply;
}

}  // namespace

Reply problem_reply(const Error& error, const Request& request) {
  return reply_of(error, http_status(error.code()), request);
}

Reply problem_reply(const HttpError& error, const Request& request) {
  Reply reply = reply_of(error, error.status(), request);
  for (const auto& field : error.headers()) reply.headers.push_back(field);
  return reply;
}

Reply current_problem(const Request& request, Log& log) {
  try {
    throw;
  } catch (const HttpError& error) {
    return problem_reply(error, request);
  } catch (const Error& error) {
    if (error.code() == Code::internal)
      log.error("request failed", {{"request_id", request.id}, {"target", request.target}, {"error", error.detail()}});
    return problem_reply(error, request);
  } catch (const std::exception& error) {
    // The text may hold paths or memory of ours: it is for the log, the client gets the id to ask with.
    log.error("unexpected exception", {{"request_id", request.id}, {"target", request.target}, {"error", error.what()}});
  } catch (...) {
    log.error("unexpected exception", {{"request_id", request.id}, {"target", request.target}});
  }
  const Error unexpected{Code::internal, "an error that the daemon did not expect; its log has it under this request_id"};
  return problem_reply(unexpected, request);
}

std::vector<std::pair<int, std::string>> known_problems() {
  std::vector<std::pair<int, std::string>> all;
  for (const Code code : {Code::malformed, Code::bad_name, Code::bad_query, Code::forbidden, Code::not_found,
                          Code::method_not_allowed, Code::not_acceptable, Code::conflict, Code::exists, Code::duplicate,
                          Code::in_use, Code::busy, Code::cancelled, Code::precondition_failed, Code::too_large,
                          Code::unsupported_media_type, Code::invalid, Code::header_too_large, Code::internal,
                          Code::unsupported, Code::unavailable, Code::timed_out, Code::disk_full})
    all.emplace_back(http_status(code), code_text(code));
  for (const auto& extra : extras) all.emplace_back(extra.status, extra.code);
  return all;
}

}  // namespace sovirt
