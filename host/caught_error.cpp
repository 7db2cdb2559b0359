// caught_error.cpp: see caught_error.hpp.
#include "host/caught_error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <new>
#include <system_error>

#include "host/guard.hpp"
#include "winnow/winnow.h"

namespace winnow {
namespace {

// From the operating system, by way of the standard library.
Exit exit_of(const std::error_code& code) {
  if (code == std::errc::no_space_on_device || code == std::errc::not_enough_memory ||
      code == std::errc::io_error || code == std::errc::too_many_files_open ||
      code == std::errc::resource_unavailable_try_again || code.value() == EDQUOT)
    return Exit::kResources;
  if (code == std::errc::permission_denied || code == std::errc::read_only_file_system ||
      code == std::errc::no_such_file_or_directory || code == std::errc::not_a_directory ||
      code == std::errc::filename_too_long || code == std::errc::operation_not_permitted)
    return Exit::kUsage;
  return Exit::kInternal;
}

std::string report_please(const std::string& what) {
  return fmt::format(
      "internal error: {}; this is a mistake in winnow {}: please report it with the "
      "command and the config",
      what, WN_SDK_VERSION);
}

}  // namespace

Error caught_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const Stopped&) {
    return Error(Exit::kInterrupted, "stopped on request, before anything was made");
  } catch (const std::bad_alloc&) {
    return Error(Exit::kResources,
                 "out of memory; a smaller [execution] batch or cache needs less");
  } catch (const std::system_error& error) {
    const Exit exit = exit_of(error.code());
    return Error(exit, exit == Exit::kInternal ? report_please(error.what()) : error.what());
  } catch (const std::exception& error) {
    return Error(Exit::kInternal, report_please(error.what()));
  } catch (...) {
    return Error(Exit::kInternal, report_please("an unknown exception"));
  }
}

}  // namespace winnow
