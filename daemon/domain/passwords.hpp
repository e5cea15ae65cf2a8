#pragma once
#include <string>

namespace sovirt {

std::string generate_password();                        // 16 letters and digits that are not taken for each other
std::string hash_password(const std::string& password); // as crypt(5) has it, by the host's strongest method; takes some 50 ms

}  // namespace sovirt
