#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/resource.hpp"
#include "daemon/base/error.hpp"
#include "daemon/domain/ports/store.hpp"

namespace sovirt {

// An object as the daemon knows it. Never changed in place: readers keep the one they got.
struct Entry {
  Resource resource;
  RuntimeRow runtime;                   // containers only
  std::vector<Claim> claims;
  std::vector<std::string> references;  // uids it depends on
};
using EntryPtr = std::shared_ptr<const Entry>;

struct Condition {
  std::string type;      // "Ready", "Drifted"
  bool status = false;
  std::string reason;    // CamelCase word for programs
  std::string message;   // for people
  Time since{};
  bool operator==(const Condition& other) const {
    return type == other.type && status == other.status && reason == other.reason && message == other.message;
  }
};

// Everything the database holds, in memory: reads never wait for a write. Thread-safe.
class Catalog {
 public:
  // `claims_of` gives what an object holds, so that claims need not be stored twice.
  using ClaimsOf = std::function<std::vector<Claim>(const Resource&)>;
  explicit Catalog(ClaimsOf claims_of) : claims_of_(std::move(claims_of)) {}
  void load(const StoredState&);
  void apply(const Commit&, std::int64_t last_event);

  // Throws Error{unavailable} where the database could not be read: to say "not found", or show an empty list, would be a lie.
  void check_readable() const;

  EntryPtr find(Kind, std::string_view name) const;  // nullptr: absent
  EntryPtr find_uid(std::string_view uid) const;
  EntryPtr need(Kind, std::string_view name) const;  // throws Error{not_found}
  std::vector<EntryPtr> all(Kind) const;             // by name
  std::vector<EntryPtr> after(Kind, std::string_view name, std::size_t most) const;  // names beyond `name`
  std::vector<EntryPtr> dependents(std::string_view uid) const;
  EntryPtr holder(const Claim&) const;               // nullptr: free
  std::int64_t last_event() const;

  // Throws Error{duplicate} naming the holder if another object than `uid` holds one of them.
  void check_claims(const std::vector<Claim>&, std::string_view uid) const;

  // What was noticed of an object, beside its state. Returns false if it says the same already.
  bool set_condition(std::string_view uid, Condition);
  bool clear_condition(std::string_view uid, std::string_view type);
  std::vector<Condition> conditions(std::string_view uid) const;

 private:
  using Key = std::pair<Kind, std::string>;
  void put(Entry);
  void drop(const std::string& uid);

  ClaimsOf claims_of_;
  mutable std::shared_mutex mutex_;
  std::map<Key, EntryPtr, std::less<>> entries_;
  std::map<std::string, EntryPtr, std::less<>> by_uid_;
  std::map<std::pair<std::string, std::string>, std::string> claims_;  // (type, value) -> uid
  std::map<std::string, std::vector<Condition>, std::less<>> conditions_;
  std::int64_t last_event_ = 0;
  bool readable_ = true;
};

}  // namespace sovirt
