#include "api/image.hpp"

#include <nlohmann/json.hpp>

#include "tests/unit/api/errors.hpp"

namespace sovirt {
namespace {

TEST(ImageSpec, round_trip) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"source":{"type":"debootstrap"}})", R"({"source":{"type":"debootstrap","suite":"stable","mirror":null,"variant":"minbase","packages":[]}})"},
      {R"({"source":{"type":"debootstrap","suite":"bookworm","mirror":"http://deb.debian.org/debian","variant":"buildd","packages":["systemd-sysv","g++"]}})",
       R"({"source":{"type":"debootstrap","suite":"bookworm","mirror":"http://deb.debian.org/debian","variant":"buildd","packages":["systemd-sysv","g++"]}})"},
      {R"({"source":{"type":"tarball"}})", R"({"source":{"type":"tarball","path":null,"digest":null}})"},
      {R"({"source":{"type":"tarball","path":"/srv/a.tar","url":null}})", R"({"source":{"type":"tarball","path":"/srv/a.tar","digest":null}})"},
      {R"({"source":{"type":"binaries","binaries":["/bin/bash"]}})", R"({"source":{"type":"binaries","binaries":["/bin/bash"],"files":[]}})"}};
  for (const auto& [in, out] : cases) {
    const auto written = write_image_spec(read_image_spec(Json::parse(in)));
    EXPECT_EQ(written, Json::parse(out)) << in;
    EXPECT_EQ(write_image_spec(read_image_spec(written)), written);
  }
}

TEST(ImageSpec, table) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "/source required"}, {R"({"source":{}})", "/source/type required"}, {R"({"source":1})", "/source type"}, {R"({"source":{"type":"iso"}})", "/source/type choice"},
      {R"({"source":{"type":"oci","path":"/x"}})", "/source/type unsupported"}, {R"({"source":{"type":"container","container":"-web"}})", "/source/container format"},
      {R"({"source":{"type":"debootstrap","suite":"--foreign"}})", "/source/suite format"}, {R"({"source":{"type":"debootstrap","suite":""}})", "/source/suite format"},
      {R"({"source":{"type":"debootstrap","suite":"a/../b"}})", "/source/suite format"}, {R"({"source":{"type":"debootstrap","mirror":"ftp://x"}})", "/source/mirror format"},
      {R"({"source":{"type":"debootstrap","mirror":"http://"}})", "/source/mirror format"}, {R"({"source":{"type":"debootstrap","mirror":"http://a b"}})", "/source/mirror format"},
      {R"({"source":{"type":"debootstrap","variant":"tiny"}})", "/source/variant choice"}, {R"({"source":{"type":"debootstrap","packages":["-x"]}})", "/source/packages/0 format"},
      {R"({"source":{"type":"debootstrap","packages":["a,b"]}})", "/source/packages/0 format"}, {R"({"source":{"type":"debootstrap","path":"/x"}})", "/source/path unknown-field"},
      {R"({"source":{"type":"tarball","path":"a.tar"}})", "/source/path format"}, {R"({"source":{"type":"tarball","path":"/a/../b"}})", "/source/path format"},
      {R"({"source":{"type":"tarball","digest":"md5:1"}})", "/source/digest format"}, {R"({"source":{"type":"tarball","url":"http://x/y"}})", "/source/url unsupported"},
      {R"({"source":{"type":"binaries"}})", "/source/binaries required"}, {R"({"source":{"type":"binaries","binaries":[]}})", "/source/binaries range"},
      {R"({"source":{"type":"binaries","binaries":["bash"]}})", "/source/binaries/0 format"}, {R"({"source":{"type":"binaries","binaries":["/bin/bash"],"files":["etc/passwd"]}})", "/source/files/0 format"},
      {R"({"source":{"type":"tarball"},"size":1})", "/size unknown-field"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(errors_of([&] { read_image_spec(Json::parse(text)); }), wanted) << text;
  const auto digest = "sha256:" + std::string(64, 'a');
  EXPECT_NO_THROW(read_image_spec({{"source", {{"type", "tarball"}, {"digest", digest}}}}));
  EXPECT_THROW(read_image_spec({{"source", {{"type", "tarball"}, {"digest", digest + "a"}}}}), Error);
}

}  // namespace
}  // namespace sovirt
