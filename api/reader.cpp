#include "api/reader.hpp"

#include <algorithm>
#include <limits>

#include <nlohmann/json.hpp>

namespace sovirt {
namespace {

std::string type_of(const Json& value) { return value.is_boolean() ? "a boolean" : value.is_null() ? "null" : value.is_number() ? "a number"
    : value.is_string() ? "a string" : value.is_array() ? "an array" : "an object"; }

std::string must_be(const char* wanted, const Json& value) { return std::string{"must be "} + wanted + ", not " + type_of(value); }

// Is `value` what one gets by leaving it out? Members of an object may be left out one by one.
bool is_default(const Json& value, const Json& normal) {
  if (value.is_null()) return true;
  if (!value.is_object() || !normal.is_object()) return value == normal;
  return std::all_of(value.items().begin(), value.items().end(), [&](const auto& item) {
    const auto found = normal.find(item.key());
    return item.value().is_null() || (found != normal.end() && is_default(item.value(), *found));
  });
}

}  // namespace

std::string pointer_token(std::string_view key) {
  std::string text;
  for (const char c : key) {
    if (c == '~') text += "~0";
    else if (c == '/') text += "~1";
    else text += c;
  }
  return text;
}

ObjectReader::ObjectReader(const Json& value, std::string pointer, std::vector<FieldError>& errors)
    : value_(value.is_object() ? &value : nullptr), pointer_(std::move(pointer)), errors_(&errors) {
  if (!value_) fail("", "type", must_be("an object", value));
}

std::string ObjectReader::pointer(std::string_view key) const { return key.empty() ? pointer_ : pointer_ + "/" + pointer_token(key); }

void ObjectReader::fail(std::string_view key, std::string code, std::string detail) {
  errors_->push_back({pointer(key), std::move(code), std::move(detail)});
}

void ObjectReader::fail_in(std::string_view key, std::string_view member, std::string code, std::string detail) {
  errors_->push_back({pointer(key) + "/" + pointer_token(member), std::move(code), std::move(detail)});
}

bool ObjectReader::has(std::string_view key) const {
  if (!value_) return false;
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

const Json* ObjectReader::find(std::string_view key) {
  known_.emplace_back(key);
  return has(key) ? &*value_->find(key) : nullptr;
}

const Json* ObjectReader::raw(std::string_view key) { return find(key); }

void ObjectReader::require(std::string_view key) {
  // Of something that is no object at all, one error is enough.
  if (value_ && !has(key)) fail(key, "required", "is required");
}

std::optional<bool> ObjectReader::boolean(std::string_view key) {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  fail(key, "type", must_be("true or false", *value));
  return std::nullopt;
}

std::optional<std::int64_t> ObjectReader::integer(std::string_view key, std::int64_t least, std::int64_t most) {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number_integer()) return fail(key, "type", must_be("an integer", *value)), std::nullopt;
  const bool fits = !value->is_number_unsigned() ||
                    value->get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (fits && value->get<std::int64_t>() >= least && value->get<std::int64_t>() <= most) return value->get<std::int64_t>();
  fail(key, "range", "must be from " + std::to_string(least) + " to " + std::to_string(most) + ", not " + value->dump());
  return std::nullopt;
}

std::optional<std::uint64_t> ObjectReader::unsigned_integer(std::string_view key, std::uint64_t most) {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number_integer()) return fail(key, "type", must_be("an integer", *value)), std::nullopt;
  const bool negative = !value->is_number_unsigned() && value->get<std::int64_t>() < 0;
  if (!negative && value->get<std::uint64_t>() <= most) return value->get<std::uint64_t>();
  fail(key, "range", "must be from 0 to " + std::to_string(most) + ", not " + value->dump());
  return std::nullopt;
}

std::optional<std::string> ObjectReader::string(std::string_view key, std::size_t longest) {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) return fail(key, "type", must_be("a string", *value)), std::nullopt;
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > longest) return fail(key, "range", "must have at most " + std::to_string(longest) + " bytes"), std::nullopt;
  if (text.find('\0') != std::string::npos) return fail(key, "format", "cannot hold a NUL character"), std::nullopt;
  return text;
}

std::optional<std::vector<std::string>> ObjectReader::strings(std::string_view key, std::size_t most, std::size_t longest) {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_array()) return fail(key, "type", must_be("an array of strings", *value)), std::nullopt;
  if (value->size() > most) return fail(key, "range", "must have at most " + std::to_string(most) + " elements"), std::nullopt;
  std::vector<std::string> texts;
  const auto wrong_before = errors_->size();
  const auto wrong = [&](std::string code, std::string detail) {
    errors_->push_back({pointer(key) + "/" + std::to_string(texts.size()), std::move(code), std::move(detail)});
  };
  for (const auto& element : *value) {
    if (!element.is_string()) wrong("type", must_be("a string", element));
    else if (element.get_ref<const std::string&>().size() > longest) wrong("range", "must have at most " + std::to_string(longest) + " bytes");
    else if (element.get_ref<const std::string&>().find('\0') != std::string::npos) wrong("format", "cannot hold a NUL character");
    texts.push_back(element.is_string() ? element.get<std::string>() : std::string{});
  }
  if (errors_->size() != wrong_before) return std::nullopt;
  return texts;
}

std::optional<std::map<std::string, std::string>> ObjectReader::string_map(std::string_view key, std::size_t most) {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_object()) return fail(key, "type", must_be("an object of strings", *value)), std::nullopt;
  if (value->size() > most) return fail(key, "range", "must have at most " + std::to_string(most) + " members"), std::nullopt;
  std::map<std::string, std::string> texts;
  const auto wrong_before = errors_->size();
  for (const auto& [name, element] : value->items()) {
    const auto at = pointer(key) + "/" + pointer_token(name);
    if (!element.is_string()) errors_->push_back({at, "type", must_be("a string", element)});
    else if (element.get_ref<const std::string&>().find('\0') != std::string::npos)
      errors_->push_back({at, "format", "cannot hold a NUL character"});
    else texts.emplace(name, element.get<std::string>());
  }
  if (errors_->size() != wrong_before) return std::nullopt;
  return texts;
}

std::optional<Cidr> ObjectReader::cidr(std::string_view key) {
  const auto text = string(key, 64);
  if (!text) return std::nullopt;
  const auto cidr = Cidr::parse(*text);
  if (!cidr) fail(key, "format", "\"" + *text + "\" is not ADDRESS/PREFIX, such as 172.16.2.10/24");
  return cidr;
}

std::optional<std::vector<Cidr>> ObjectReader::cidrs(std::string_view key, std::size_t most) {
  const auto texts = strings(key, most, 64);
  if (!texts) return std::nullopt;
  std::vector<Cidr> cidrs;
  const auto wrong_before = errors_->size();
  for (std::size_t i = 0; i < texts->size(); ++i) {
    const auto cidr = Cidr::parse((*texts)[i]);
    if (cidr) cidrs.push_back(*cidr);
    else errors_->push_back({pointer(key) + "/" + std::to_string(i), "format",
                             "\"" + (*texts)[i] + "\" is not ADDRESS/PREFIX, such as 172.16.2.10/24"});
  }
  if (errors_->size() != wrong_before) return std::nullopt;
  return cidrs;
}

std::optional<IpAddress> ObjectReader::address(std::string_view key) {
  const auto text = string(key, 64);
  if (!text) return std::nullopt;
  const auto address = IpAddress::parse(*text);
  if (!address) fail(key, "format", "\"" + *text + "\" is not an IP address");
  return address;
}

std::optional<Mac> ObjectReader::mac(std::string_view key) {
  const auto text = string(key, 64);
  if (!text) return std::nullopt;
  const auto mac = Mac::parse(*text);
  if (!mac) fail(key, "format", "\"" + *text + "\" is not a MAC address, such as 4a:49:43:49:79:bf");
  return mac;
}

std::optional<std::size_t> ObjectReader::choice(std::string_view key, const std::vector<std::string_view>& choices) {
  const auto text = string(key, 256);
  if (!text) return std::nullopt;
  const auto found = std::find(choices.begin(), choices.end(), *text);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  std::string all;
  for (const auto choice : choices) all += (all.empty() ? "" : ", ") + std::string{choice};
  fail(key, "choice", "\"" + *text + "\" is not one of " + all);
  return std::nullopt;
}

bool ObjectReader::object(std::string_view key, const std::function<void(ObjectReader&)>& read) {
  const Json* value = find(key);
  if (!value) return false;
  ObjectReader child{*value, pointer(key), *errors_};
  if (!child.value_) return false;
  read(child);
  child.finish();
  return true;
}

bool ObjectReader::objects(std::string_view key, std::size_t most, const std::function<void(ObjectReader&, std::size_t)>& read) {
  const Json* value = find(key);
  if (!value) return false;
  if (!value->is_array()) return fail(key, "type", must_be("an array of objects", *value)), false;
  if (value->size() > most) return fail(key, "range", "must have at most " + std::to_string(most) + " elements"), false;
  for (std::size_t i = 0; i < value->size(); ++i) {
    ObjectReader child{(*value)[i], pointer(key) + "/" + std::to_string(i), *errors_};
    if (!child.value_) continue;
    read(child, i);
    child.finish();
  }
  return true;
}

void ObjectReader::not_yet(std::string_view key, const Json& contract_default) {
  const Json* value = find(key);
  if (value && !is_default(*value, contract_default))
    fail(key, "unsupported", std::string{key} + " is not available in this version");
}

void ObjectReader::finish() {
  if (!value_ || std::exchange(finished_, true)) return;
  for (const auto& [key, value] : value_->items())
    if (std::find(known_.begin(), known_.end(), key) == known_.end())
      errors_->push_back({pointer_ + "/" + pointer_token(key), "unknown-field", "there is no such field"});
}

void throw_if_any(std::vector<FieldError> errors) {
  if (errors.empty()) return;
  const auto& first = errors.front();
  std::string detail = (first.pointer.empty() ? "the document" : first.pointer) + ": " + first.detail;
  if (errors.size() > 1) detail += " (and " + std::to_string(errors.size() - 1) + " more)";
  throw Error{Code::invalid, std::move(detail)}.with_fields(std::move(errors));
}

}  // namespace sovirt
