#include "daemon/server/request_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "daemon/base/error.hpp"
#include "daemon/server/head_check.hpp"

namespace sovirt {
namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

class RequestParser::Impl final : public http::basic_parser<true> {
 public:
  Request* request = nullptr;
  std::string* sink = nullptr;
  bool in_body = false;

  void on_request_impl(http::verb, string_view method, string_view target, int version, error_code&) override {
    request->method.assign(method.data(), method.size());
    request->target.assign(target.data(), target.size());
    request->version = version;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}

  void on_field_impl(http::field, string_view name, string_view value, error_code&) override {
    if (in_body) return;  // trailers may be ignored, and must not pass for fields of the head (RFC 9110, 6.5.1)
    std::string lower(name.size(), '\0');
    for (std::size_t i = 0; i < name.size(); ++i)
      lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] + 32) : name[i];
    for (auto& field : request->headers)
      if (field.name == lower) {
        field.value.append(", ").append(value.data(), value.size());
        return;
      }
    request->headers.push_back({std::move(lower), std::string{value.data(), value.size()}});
  }

  void on_header_impl(error_code&) override { in_body = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view bytes, error_code&) override {
    sink->append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code&) override {
    sink->append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_finish_impl(error_code&) override {}
};

RequestParser::RequestParser() : impl_(std::make_unique<Impl>()) {}
RequestParser::~RequestParser() = default;

void RequestParser::head(std::string_view bytes, Request& request) {
  impl_->request = &request;
  impl_->header_limit(static_cast<std::uint32_t>(bytes.size() + 1));
  impl_->body_limit(boost::none);  // begin_body sets the true one, once the route is known
  error_code error;
  impl_->put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error && error != http::error::need_more) throw Error{Code::malformed, "the header is not HTTP: " + error.message()};
  if (!impl_->is_header_done()) throw Error{Code::malformed, "the header is not HTTP"};
  request.has_body = impl_->chunked() || impl_->content_length().value_or(0) > 0;
}

bool RequestParser::keep_alive() const noexcept { return impl_->request->version == 11 && impl_->keep_alive(); }

std::optional<std::uint64_t> RequestParser::length() const {
  if (impl_->chunked()) return std::nullopt;
  return impl_->content_length().value_or(0);
}

void RequestParser::begin_body(std::optional<std::uint64_t> limit, std::string& sink) {
  if (limit && length().value_or(0) > *limit)
    throw Error{Code::too_large, "the body is larger than " + std::to_string(*limit) + " bytes"};
  impl_->body_limit(limit ? boost::optional<std::uint64_t>{*limit} : boost::none);
  impl_->eager(true);
  impl_->sink = &sink;
}

std::size_t RequestParser::body(std::string_view bytes) {
  if (impl_->is_done() || bytes.empty()) return 0;
  error_code error;
  const std::size_t used = impl_->put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error == http::error::body_limit) throw Error{Code::too_large, "the body is larger than this server takes"};
  if (error && error != http::error::need_more) throw Error{Code::malformed, "the body is not framed as HTTP says: " + error.message()};
  return used;
}

bool RequestParser::done() const noexcept { return impl_->is_done(); }

}  // namespace sovirt
