#include "client/lib/api_client.hpp"

#include <cerrno>

#include "api/problem.hpp"

namespace sovirt::client {

namespace {

Code code_of_status(int status) {
  switch (status) {
    case 400: return Code::malformed;
    case 403: return Code::forbidden;
    case 404: return Code::not_found;
    case 405: return Code::method_not_allowed;
    case 409: return Code::conflict;
    case 412: return Code::precondition_failed;
    case 413: return Code::too_large;
    case 415: return Code::unsupported_media_type;
    case 422: return Code::invalid;
    case 431: return Code::header_too_large;
    case 501: return Code::unsupported;
    case 503: return Code::unavailable;
    case 504: return Code::timed_out;
    case 507: return Code::disk_full;
    default: return Code::internal;
  }
}

Error error_of(int status, const Json& problem) {
  if (problem.is_object() && problem.contains("code")) return read_problem(problem);
  return Error(code_of_status(status), "the daemon answered with HTTP status " + std::to_string(status));
}

Json parsed(const HttpResponse& response) {
  if (response.body.empty()) return nullptr;
  Json body = Json::parse(response.body, nullptr, false);
  if (body.is_discarded() && response.status < 400) throw ProtocolError("the server's answer is not JSON");
  return body.is_discarded() ? Json() : body;
}

Answer answer_of(const HttpResponse& response) {
  Answer answer{response.status, parsed(response), response.header("location")};
  if (response.status >= 400) throw ApiError(response.status, answer.body);
  if (response.status >= 300) throw ProtocolError("the server redirects, which the API never does");
  return answer;
}

HttpRequest request_of(const std::string& method, const std::string& target, const Json& body) {
  HttpRequest request;
  request.method = method;
  request.target = target;
  request.headers = {{"Accept", "application/json"}, {"User-Agent", "sovirtctl/" SOVIRT_VERSION}};
  if (!body.is_null()) {
    // A command line may hold any bytes; what is not UTF-8 is the server's to refuse, not a crash here.
    request.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
    request.headers.emplace_back("Content-Type", "application/json");
  }
  return request;
}

}  // namespace

ApiError::ApiError(int status, const Json& problem)
    : std::runtime_error("the daemon refused"), status_(status), error_(error_of(status, problem)), problem_(problem) {}

std::string ApiError::request_id() const {
  if (!problem_.is_object()) return {};
  const auto found = problem_.find("request_id");
  return found != problem_.end() && found->is_string() ? found->get<std::string>() : std::string();
}

HttpResponse ApiClient::send(const HttpRequest& request, const HttpWatch& watch) {
  if (see_) see_(connection_.path(), request);
  try {
    return connection_.exchange(request, watch);
  } catch (const ConnectError& error) {
    const std::string& path = connection_.path();
    const bool main_socket = path.size() > 5 && path.ends_with(".sock") && !path.ends_with("-ro.sock");
    if (error.error_number() != EACCES || !main_socket || request.method != "GET") throw;
    HttpConnection read_only(path.substr(0, path.size() - 5) + "-ro.sock");
    HttpResponse response;
    try {
      response = read_only.exchange(request, watch);
    } catch (const ConnectError&) {
      throw error;  // that the first one may not be used is what this user has to know
    }
    connection_ = std::move(read_only);
    return response;
  }
}

Answer ApiClient::call(const std::string& method, const std::string& target, const Json& body, const Headers& more) {
  HttpRequest request = request_of(method, target, body);
  request.headers.insert(request.headers.end(), more.begin(), more.end());
  return answer_of(send(request, watch_));
}

Json ApiClient::get_all(const std::string& target) {
  Json all = get(target);
  if (!all.is_object() || !all.contains("items") || !all["items"].is_array())
    throw ProtocolError("the server's answer is not a list");
  while (all.contains("next") && all["next"].is_string()) {
    Json page = get(with_query(target, {{"cursor", all["next"].get<std::string>()}}));
    for (Json& item : page.at("items")) all["items"].push_back(std::move(item));
    all["next"] = page.value("next", Json());
  }
  return all;
}

Answer ApiClient::upload(const std::string& target, int file, std::uint64_t size, const std::string& name) {
  HttpRequest request = request_of("PUT", target, nullptr);
  request.headers.emplace_back("Content-Type", "application/octet-stream");
  request.upload = file;
  request.upload_size = size;
  request.upload_name = name;
  return answer_of(send(request, watch_));
}

Answer ApiClient::put_bytes(const std::string& target, int source, std::optional<std::uint64_t> size, const std::string& name,
                            const std::string& type, const Headers& more) {
  HttpRequest request = request_of("PUT", target, nullptr);
  request.headers.emplace_back("Content-Type", type);
  request.headers.insert(request.headers.end(), more.begin(), more.end());
  request.upload = source;
  request.upload_size = size.value_or(0);
  request.upload_stream = !size;
  request.upload_name = name;
  return answer_of(send(request, watch_));
}

HttpResponse ApiClient::stream(const std::string& target, const std::string& accept, std::function<bool(std::string_view)> sink) {
  HttpRequest request = request_of("GET", target, nullptr);
  request.headers.front().second = accept;
  HttpWatch watch = watch_;
  watch.body = std::move(sink);
  HttpResponse response = send(request, watch);
  if (response.status >= 300) answer_of(response);
  return response;
}

}  // namespace sovirt::client
