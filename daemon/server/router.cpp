#include "daemon/server/router.hpp"

#include <algorithm>

#include "daemon/server/problem.hpp"

namespace sovirt {
namespace {

constexpr std::string_view all_methods = "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS";

}  // namespace

bool is_parameter(std::string_view segment) noexcept { return segment.size() > 2 && segment.front() == '{' && segment.back() == '}'; }

void Router::add(Route route) {
  std::vector<std::string> segments;
  for (std::size_t at = 1; at <= route.pattern.size();) {
    const auto end = std::min(route.pattern.find('/', at), route.pattern.size());
    segments.push_back(route.pattern.substr(at, end - at));
    at = end + 1;
  }
  routes_.push_back(std::make_unique<Route>(std::move(route)));
  const auto known = std::find_if(paths_.begin(), paths_.end(), [&](const Path& path) { return path.segments == segments; });
  if (known != paths_.end()) known->routes.push_back(routes_.back().get());
  else paths_.push_back({std::move(segments), {routes_.back().get()}});
}

const Router::Path* Router::find(const Target& target) const noexcept {
  for (const auto& path : paths_) {
    if (path.segments.size() != target.segments.size()) continue;
    bool same = true;
    for (std::size_t i = 0; same && i < path.segments.size(); ++i)
      same = is_parameter(path.segments[i]) || path.segments[i] == target.segments[i];
    if (same) return &path;
  }
  return nullptr;
}

std::string Router::allow(const Path& path) {
  std::string text;
  for (const auto* route : path.routes) text += route->method == "GET" ? "GET, HEAD, " : route->method + ", ";
  return text + "OPTIONS";
}

std::string Router::allow(const Target& target) const {
  if (target.path == "*") return std::string{all_methods};
  const auto* path = find(target);
  return path != nullptr ? allow(*path) : "";
}

const Route* Router::match(const Target& target, Request& request) const {
  if (request.method == "OPTIONS" && target.path == "*") return nullptr;
  const auto* path = find(target);
  if (path == nullptr) throw Error{Code::not_found, "there is nothing at this path"}.with_hint("GET /v1/openapi.json lists every path");
  if (request.method == "OPTIONS") return nullptr;
  const std::string_view method = request.method == "HEAD" ? std::string_view{"GET"} : request.method;
  const auto found = std::find_if(path->routes.begin(), path->routes.end(), [&](const Route* route) { return route->method == method; });
  if (found == path->routes.end())
    throw HttpError{405, Error{Code::method_not_allowed, "this path has no " + request.method}, {{"Allow", allow(*path)}}};
  request.params.clear();
  for (std::size_t i = 0; i < path->segments.size(); ++i) {
    if (!is_parameter(path->segments[i])) continue;
    request.params.push_back(decode_segment(target.segments[i]));
    if ((*found)->kind && path->segments[i] == "{name}") check_name(*(*found)->kind, request.params.back());
  }
  return *found;
}

}  // namespace sovirt
