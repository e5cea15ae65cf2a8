#include "daemon/kernel/image/kernel_image_builder.hpp"

#include "daemon/base/error.hpp"
#include "daemon/kernel/image/binaries.hpp"
#include "daemon/kernel/image/debootstrap.hpp"
#include "daemon/kernel/image/image_facts.hpp"
#include "daemon/kernel/image/image_store.hpp"
#include "daemon/kernel/image/tarball.hpp"
#include "daemon/kernel/image/tree_digest.hpp"

namespace sovirt {
namespace {

template <class... Handlers>
struct Overloaded : Handlers... { using Handlers::operator()...; };

class KernelImageBuilder final : public ImageBuilder {
 public:
  explicit KernelImageBuilder(ImageBuilderOptions options) : temp_dir_(options.temp_dir), store_(options.images_dir, options.temp_dir) {}

  BuiltImage build(const ImageSpec& spec, const std::string& uploaded, std::stop_token stop,
                   const std::function<void(Progress)>& report) override {
    image::ProgressMeter meter{std::move(stop), report};
    meter.check();
    check(spec, uploaded);
    const image::Workspace work{temp_dir_};
    std::vector<std::string> programs;
    std::visit(Overloaded{
        [&](const DebootstrapSource& source) { image::build_debootstrap(source, work, meter); },
        [&](const TarballSource& source) { image::build_tarball(source, uploaded, work, meter); },
        [&](const BinariesSource& source) { image::build_binaries(source, work, meter); programs = source.binaries; },
        [](const ContainerSource&) { throw Error{Code::internal, "an image of a container is made by Archives::publish"}; }}, spec.source);
    return finish(work, programs, meter);
  }

  bool remove(const std::string& digest) override { return store_.remove(digest); }
  void collect(const std::vector<std::string>& digests_in_use) override { store_.collect(digests_in_use); }

  void check(const ImageSpec& spec, const std::string& uploaded) override {
    std::visit(Overloaded{[](const DebootstrapSource& source) { image::check_debootstrap(source); },
                          [&](const TarballSource& source) { image::check_tarball(source, uploaded); },
                          [](const BinariesSource& source) { image::check_binaries(source); }, [](const ContainerSource&) {}}, spec.source);
  }

 private:
  BuiltImage finish(const image::Workspace& work, const std::vector<std::string>& programs, image::ProgressMeter& meter) {
    meter.show(92, "computing the image's digest");
    const image::TreeSummary summary = image::digest_tree(work.root(), meter);
    BuiltImage built;
    built.digest = "sha256:" + summary.hex;
    built.size = summary.size;
    built.architecture = image::architecture_of(work.root(), programs);
    built.os = image::os_of(work.root());
    meter.show(98, "writing it to the disk");
    meter.check();
    built.directory = store_.publish(work, summary.hex);
    meter.show(100, "done");
    return built;
  }

  std::string temp_dir_;
  image::ImageStore store_;
};

}  // namespace

std::unique_ptr<ImageBuilder> make_image_builder(ImageBuilderOptions options) {
  return std::make_unique<KernelImageBuilder>(std::move(options));
}

}  // namespace sovirt
