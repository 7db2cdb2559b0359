// study_worker.hpp: a process that makes points of a study for another one. Both talk over a
// socket, one JSON object a packet: a point's number there; notices, progress and the point's
// result back. A worker ends when its socket closes.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "host/disk.hpp"
#include "host/study_run.hpp"

namespace winnow {

// What a worker says; exactly one is there.
struct WorkerMessage {
  std::optional<Progress> progress;
  std::optional<std::string> notice;
  std::optional<PointResult> result;
};

// The maker's end. Owns the process: its destructor asks it to stop, and waits.
class StudyWorker {
 public:
  // `words`: the command line of this very program that reads the same study and ends in
  // serve_points(); its standard input is the socket. `threads`: what a network may use there,
  // unless OMP_NUM_THREADS says so already. Throws Error(Exit::kResources).
  StudyWorker(const std::vector<std::string>& words, unsigned threads);
  ~StudyWorker();
  StudyWorker(const StudyWorker&) = delete;
  StudyWorker& operator=(const StudyWorker&) = delete;

  int socket() const { return socket_.fd(); }  // for poll()
  // False: the process has ended. `folder` is the point's: the worker reads the study for itself,
  // and refuses a point of another one.
  bool begin(std::size_t point, const std::string& folder);
  // Waits for one message; nothing: the process has ended.
  std::optional<WorkerMessage> receive();
  void ask_to_stop();       // SIGTERM: it commits what it has
  std::string how_ended();  // "was ended by SIGSEGV"; waits for that

 private:
  disk::File socket_;
  pid_t pid_ = -1;
};

// The worker's end: makes points until the socket closes. Sets the request's callbacks.
void serve_points(StudyRequest request, int socket);

}  // namespace winnow
