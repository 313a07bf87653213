// A session of ONNX Runtime whose inputs and outputs are bound to memory of its own, as a few plain functions for koffi.
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "ort.h"

namespace {

using namespace convnets;

std::string failure;

struct Session {
  OrtEnv* env = nullptr;
  OrtSession* session = nullptr;
  OrtIoBinding* binding = nullptr;
  OrtMemoryInfo* memory = nullptr;
  std::vector<OrtValue*> values;
};

template <typename F>
auto guarded(F f, decltype(f()) otherwise) -> decltype(f()) {
  try {
    return f();
  } catch (const std::exception& error) {
    failure = error.what();
    return otherwise;
  }
}

}  // namespace

extern "C" {

/** What went wrong in the last call that failed. */
const char* convnets_failure() { return failure.c_str(); }

/** Memory that JavaScript may look into; zeros. */
void* convnets_allocate(uint64_t bytes) {
  void* data = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (data != nullptr) std::memset(data, 0, bytes);
  return data;
}

void convnets_free(void* data) { std::free(data); }

/** `profile` is the prefix of a file, or empty for none. */
void* convnets_open(const char* runtime, const char* operators, const void* model, uint64_t bytes, int threads,
                    int plan, const char* profile) {
  return guarded(
      [&]() -> void* {
        void* library = dlopen(runtime, RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) throw std::runtime_error(dlerror());
        const auto base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(library, "OrtGetApiBase"));
        if (base == nullptr) throw std::runtime_error(dlerror());
        api() = base()->GetApi(ORT_API_VERSION);
        if (api() == nullptr) throw std::runtime_error("ONNX Runtime is older than the header that this was built with");
        auto* s = new Session;
        ok(api()->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "convnets", &s->env));
        OrtSessionOptions* options;
        ok(api()->CreateSessionOptions(&options));
        ok(api()->SetSessionGraphOptimizationLevel(options, ORT_ENABLE_ALL));
        ok(api()->SetIntraOpNumThreads(options, threads));
        if (plan == 0) ok(api()->DisableMemPattern(options));
        if (*profile != '\0') ok(api()->EnableProfiling(options, profile));
        ok(api()->RegisterCustomOpsLibrary_V2(options, operators));
        ok(api()->CreateSessionFromArray(s->env, model, bytes, options, &s->session));
        api()->ReleaseSessionOptions(options);
        ok(api()->CreateIoBinding(s->session, &s->binding));
        ok(api()->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &s->memory));
        return s;
      },
      nullptr);
}

/** Binds memory to an input (`output` 0) or an output (1). The type is ONNX's number of it. */
int convnets_bind(void* session, const char* name, int output, void* data, uint64_t bytes, const int64_t* shape,
                  uint64_t rank, int type) {
  return guarded(
      [&] {
        auto* s = static_cast<Session*>(session);
        OrtValue* value;
        ok(api()->CreateTensorWithDataAsOrtValue(s->memory, data, bytes, shape, rank,
                                                 static_cast<ONNXTensorElementDataType>(type), &value));
        s->values.push_back(value);
        ok(output ? api()->BindOutput(s->binding, name, value) : api()->BindInput(s->binding, name, value));
        return 0;
      },
      1);
}

int convnets_run(void* session) {
  return guarded(
      [&] {
        auto* s = static_cast<Session*>(session);
        ok(api()->RunWithBinding(s->session, nullptr, s->binding));
        return 0;
      },
      1);
}

void convnets_close(void* session) {
  auto* s = static_cast<Session*>(session);
  api()->ReleaseIoBinding(s->binding);
  for (OrtValue* value : s->values) api()->ReleaseValue(value);
  api()->ReleaseSession(s->session);
  api()->ReleaseMemoryInfo(s->memory);
  api()->ReleaseEnv(s->env);
  delete s;
}

}
