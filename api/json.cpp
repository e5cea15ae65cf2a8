#include <algorithm>

#include <nlohmann/json.hpp>

#include "api/reader.hpp"

namespace sovirt {
namespace {

[[noreturn]] void refuse(std::string pointer, std::string code, std::string detail) {
  std::string whole = pointer.empty() ? detail : pointer + ": " + detail;
  throw Error{Code::malformed, std::move(whole)}.with_fields({{std::move(pointer), std::move(code), std::move(detail)}});
}

std::string position(std::string_view text, std::size_t offset) {
  std::size_t line = 1, column = 1;
  for (const char c : text.substr(0, offset)) {
    line += c == '\n';
    column = c == '\n' ? 1 : column + 1;
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

struct Utf8Lead {
  std::size_t more;                  // continuation bytes that follow
  unsigned char second_low, second_high;  // bounds of the first of them: no overlong forms, surrogates, > U+10FFFF
};

bool utf8_lead(unsigned char c, Utf8Lead& out) noexcept {
  if (c < 0x80) return out = {0, 0, 0}, true;
  if (c >= 0xc2 && c <= 0xdf) return out = {1, 0x80, 0xbf}, true;
  if (c >= 0xe0 && c <= 0xef)
    return out = {2, static_cast<unsigned char>(c == 0xe0 ? 0xa0 : 0x80), static_cast<unsigned char>(c == 0xed ? 0x9f : 0xbf)}, true;
  if (c >= 0xf0 && c <= 0xf4)
    return out = {3, static_cast<unsigned char>(c == 0xf0 ? 0x90 : 0x80), static_cast<unsigned char>(c == 0xf4 ? 0x8f : 0xbf)}, true;
  return false;
}

// Offset of the first byte that is not UTF-8 (RFC 3629), npos if there is none.
std::size_t first_bad_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    Utf8Lead lead{};
    if (!utf8_lead(static_cast<unsigned char>(text[i]), lead)) return i;
    for (std::size_t k = 1; k <= lead.more; ++k) {
      const auto c = i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0;
      if (c < (k == 1 ? lead.second_low : 0x80) || c > (k == 1 ? lead.second_high : 0xbf)) return i;
    }
    i += lead.more + 1;
  }
  return std::string_view::npos;
}

// Builds the document from the parser's events, and knows at every moment where in it it is.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, int depth) : text_(text), most_depth_(depth) {}
  Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    // The parser turns integers that fit nowhere into the nearest double: a silent change of what was asked.
    if (text.find_first_of(".eE") == string_t::npos) refuse(here(), "range", "the integer " + text.substr(0, 40) + " does not fit in 64 bits");
    return add(value);
  }
  bool string(string_t& value) override {
    if (value.find('\0') != string_t::npos) refuse(here(), "format", "a string cannot hold U+0000");
    return add(std::move(value));
  }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& key) override {
    auto& level = levels_.back();
    if (key.find('\0') != string_t::npos) refuse(pointer_of(levels_.size() - 1), "format", "a key cannot hold U+0000");
    level.key = key;
    level.has_key = true;
    if (level.node->contains(key)) refuse(here(), "duplicate-key", "this key is there twice");
    return true;
  }

  bool parse_error(std::size_t read, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 2, column 0: syntax error while …": its reason is good, its
    // column is that of the line before after a line's end. A number beyond double has "number overflow parsing '1e999'".
    std::string_view what = error.what();
    if (const auto bracket = what.find("] "); bracket != what.npos) what.remove_prefix(bracket + 2);
    if (what.starts_with("parse error at ")) what.remove_prefix(std::min(what.find(": ") + 2, what.size()));
    refuse(here(), error.id == 406 ? "range" : "syntax", position(text_, read == 0 ? 0 : read - 1) + ": " + std::string{what});
  }

 private:
  struct Level {
    Json* node;
    std::string key{};  // of an object's member that is being read
    bool has_key = false;
  };

  // The pointer of the innermost value being read, of the first `count` levels only.
  std::string pointer_of(std::size_t count) const {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      const auto& level = levels_[i];
      if (level.node->is_object() && !level.has_key) break;  // just opened: the offence is the object's
      // Below the top level the member is in its array already, at its end.
      const std::size_t index = level.node->size() - (i + 1 < levels_.size() ? 1 : 0);
      text += "/" + (level.node->is_array() ? std::to_string(index) : pointer_token(level.key));
    }
    return text;
  }
  std::string here() const { return pointer_of(levels_.size()); }

  Json* place(Json value) {
    if (levels_.empty()) return root_ = std::move(value), &root_;
    auto& level = levels_.back();
    if (level.node->is_array()) return level.node->push_back(std::move(value)), &level.node->back();
    return &((*level.node)[level.key] = std::move(value));
  }
  bool add(Json value) { return place(std::move(value)), true; }
  bool open(Json value) {
    if (static_cast<int>(levels_.size()) >= most_depth_)
      refuse(here(), "depth", "nested deeper than " + std::to_string(most_depth_) + " levels");
    levels_.push_back({place(std::move(value))});
    return true;
  }
  bool close() { return levels_.pop_back(), true; }

  std::string_view text_;
  int most_depth_;
  Json root_;
  std::vector<Level> levels_;  // pointers stay good: a container grows only while it is the innermost
};

void check_bytes(std::string_view text, const ParseLimits& limits) {
  if (text.size() > limits.bytes)
    throw Error{Code::too_large, "the document has " + std::to_string(text.size()) + " bytes, at most " +
                                     std::to_string(limits.bytes) + " are taken"};
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) refuse("", "syntax", "a JSON document is needed, the body is empty");
  if (text.starts_with("\xef\xbb\xbf")) refuse("", "syntax", "line 1, column 1: a byte order mark does not belong into JSON (RFC 8259, section 8.1)");
  // The parser takes a NUL for the end of its input, and would not see what follows.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) refuse("", "syntax", position(text, nul) + ": a NUL byte");
  if (const auto bad = first_bad_utf8(text); bad != std::string_view::npos) refuse("", "utf-8", position(text, bad) + ": not UTF-8");
}

}  // namespace

Json parse_json(std::string_view text, const ParseLimits& limits) {
  check_bytes(text, limits);
  Builder builder{text, limits.depth};
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) refuse("", "syntax", "not a JSON document");
  return builder.take();
}

Json merge_patch(Json target, const Json& patch) {
  target.merge_patch(patch);
  return target;
}

}  // namespace sovirt
